/** `mirror-server doctor`: what stands in the way on this machine, and what is done with each setting of the user's. */
import { describeError } from "../errors.ts";
import type { Examined, PortState } from "../mirror/examine.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { readLocks } from "./locks.ts";

interface Check {
  readonly subject: string;
  readonly state: "ok" | "mind" | "wrong";
  readonly text: string;
}

export const doctor: Command = async (context) => {
  const { mirror } = context;
  const lockProblems: Check[] = [];
  const locks = await readLocks([], context, { mayLack: true }).catch((error: unknown) => {
    // A lock that cannot be read is one of the things to find.
    lockProblems.push({ subject: "lock", state: "wrong", text: describeError(error) });
    return undefined;
  });
  const found = await mirror.examine(locks ?? []);
  const checks = [...checksOf(found, context), ...lockProblems];
  const ok = checks.every(({ state }) => state !== "wrong");
  printResult(context, { ok, ...found, checks }, () => lines(checks));
  return ok ? 0 : 1;
};

function lines(checks: readonly Check[]): string[] {
  const wrong = checks.filter(({ state }) => state === "wrong").length;
  const marks = { ok: "  ok   ", mind: "  mind ", wrong: "  WRONG" };
  return [
    ...checks.map(({ subject, state, text }) => `${marks[state]} ${subject}: ${text}`),
    "",
    wrong === 0
      ? "nothing stands in the way"
      : wrong === 1
        ? "one of these stands in the way"
        : `${wrong} of these stand in the way`,
  ];
}

function checksOf(found: Examined, { config }: CommandContext): Check[] {
  const check = (
    subject: string,
    isGood: boolean,
    good: string,
    bad: string,
    state: Check["state"] = "wrong",
  ): Check => (isGood ? { subject, state: "ok", text: good } : { subject, state, text: bad });
  const { git, mirror, folders, server, ports, certificate, proxyProblem, future } = found;
  return [
    check("node", isEnough(found.node), found.node, `${found.node}, and 20.19 or later is needed`),
    check("git", git.problem === undefined, "there, and new enough", git.problem ?? ""),
    check(
      "mirror",
      mirror.isThere,
      `${mirror.folder}, ${mirror.mode}`,
      `there is none in ${mirror.folder} yet; "mirror-server sync" or exec makes one`,
      "mind",
    ),
    ...mirror.nearby.map((text): Check => ({ subject: "mirror", state: "mind", text })),
    ...found.warnings.map((text): Check => ({ subject: "looking", state: "wrong", text })),
    ...folders.map(({ option, folder, isWritable }) =>
      check(
        "folder",
        isWritable,
        `${folder} can be written`,
        `${folder} cannot be written; give another with ${option}`,
        // What is there is served as it is.
        option === "--mirror" && mirror.isThere ? "mind" : "wrong",
      ),
    ),
    serverCheck(server),
    ...ports.map(({ option, port, state }) =>
      check("port", state === "free", `${port} is free`, portText(option, port, state)),
    ),
    certificate === undefined
      ? { subject: "certificate", state: "ok", text: `none yet; serve makes one in ${config.certsDir}` }
      : check(
          "certificate",
          certificate.isGood,
          `good until ${certificate.until}`,
          `does not hold today (${certificate.from} to ${certificate.until}): look at the clock, or run "mirror-server certs renew"`,
        ),
    check("proxy", proxyProblem === undefined, proxyText(config.proxy), proxyProblem ?? ""),
    check(
      "clock",
      future === undefined,
      new Date().toISOString(),
      `something here was written at ${future}, which is in the future: this machine's clock is slow, and certificates may not hold`,
    ),
    ...found.settings.map(({ names, described: { client, in: place, treatment, effect } }): Check => ({
      subject: `${client === "all" ? "clients" : client} (${place === "git" ? "its configuration" : place})`,
      state: treatment === "tell" ? "mind" : "ok",
      text: `${treatment === "keep" ? "kept" : treatment === "neutralise" ? "does not count in exec" : "counts"}: ${names.join(", ")} (${effect})`,
    })),
  ];
}

function isEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 20 || (major === 20 && minor >= 19);
}

function serverCheck({ state, url }: Examined["server"]): Check {
  switch (state) {
    case "this":
      return { subject: "server", state: "ok", text: `this mirror is served at ${url}` };
    case "none":
      return { subject: "server", state: "ok", text: `none runs at ${url}; exec serves the mirror by itself` };
    case "another":
      return { subject: "server", state: "mind", text: `another mirror is served at ${url}` };
    case "unproven":
      return {
        subject: "server",
        state: "wrong",
        text: `what answers at ${url} does not prove to be a server of yours`,
      };
  }
}

function portText(option: string, port: number, state: PortState): string {
  const why = {
    free: "is free",
    taken: "is taken by something else",
    barred: "may not be opened by this user",
    unknown: "cannot be listened on at that address (--host)",
  };
  return `${port} ${why[state]}; give another with ${option}`;
}

function proxyText({ httpProxy, httpsProxy }: CommandContext["config"]["proxy"]): string {
  return httpProxy === undefined && httpsProxy === undefined
    ? "none"
    : "one, for what is fetched; clients do not ask it for the mirror";
}
