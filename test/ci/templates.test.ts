/** The action for GitHub and the template for GitLab: their steps are run as runners do, against a real upstream. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { temporaryFolder } from "../support/folder.ts";
import { freePort } from "../support/free-port.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, mixLock } from "../support/tarballs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

let folder: string;
let project: string;
let hex: HexUpstream;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await temporaryFolder();
  project = join(folder, "project");
  hex = await startHexUpstream([alpha, beta]);
  await mkdir(project);
  await writeFile(join(project, "mix.lock"), mixLock([alpha, beta]));
  env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    TMPDIR: folder,
    GIT_CONFIG_NOSYSTEM: "1",
    // A runner's own: which upstream there is, and which ports are free.
    MIRROR_HEX_URL: hex.url,
    MIRROR_HEX_PUBLIC_KEY: await hex.writePublicKey(join(folder, "upstream.pem")),
    MIRROR_PORT: `${await freePort()}`,
    MIRROR_TLS_PORT: `${await freePort()}`,
  };
  // The server that the last step leaves running ends with the job.
  onTestFinished(async () => {
    const each = (what: string) =>
      `for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -qx "HOME=${folder}" && ${what} \${p#/proc/}; done; true`;
    await run("bash", ["-c", each("kill")]);
    await expect.poll(async () => (await run("bash", ["-c", each("echo")])).stdout, { timeout: 20_000 }).toBe("");
  });
});

const actionSchema = z.object({
  inputs: z.record(z.string(), z.object({ description: z.string(), default: z.string() })),
  runs: z.object({
    using: z.literal("composite"),
    steps: z.array(
      z.object({
        name: z.string(),
        if: z.string().optional(),
        uses: z.string().optional(),
        shell: z.string().optional(),
        env: z.record(z.string(), z.string()).optional(),
        run: z.string().optional(),
      }),
    ),
  }),
});

describe("action.yml", () => {
  /** Runs a job that uses the action, as a runner does. @returns the environment of the steps that follow */
  async function use(
    given: Readonly<Record<string, string>>,
  ): Promise<{ env: Record<string, string>; output: string }> {
    const action = actionSchema.parse(parse(await readFile(join(root, "action.yml"), "utf8")));
    const inputs = Object.fromEntries(Object.entries(action.inputs).map(([name, { default: usual }]) => [name, usual]));
    Object.assign(inputs, given);
    const expand = (text: string) =>
      text.replace(/\$\{\{ (\S+) \}\}/g, (_, expression: string) => {
        if (expression === "github.action_path") return root;
        const value = inputs[expression.replace(/^inputs\./, "")];
        if (value === undefined) throw new Error(`nobody knows ${expression}`);
        return value;
      });
    const isMeant = (condition: string | undefined) => {
      if (condition === undefined) return true;
      const [, name = "", sign, value] = /^inputs\.(\S+) (==|!=) '(.*)'$/.exec(condition) ?? [];
      return (inputs[name] === value) === (sign === "==");
    };
    const files = {
      GITHUB_ENV: join(folder, "env"),
      GITHUB_PATH: join(folder, "path"),
      RUNNER_TEMP: join(folder, "temp"),
    };
    await mkdir(files.RUNNER_TEMP, { recursive: true });
    let now: Record<string, string> = { ...env, ...files };
    let output = "";
    const [scripts, others] = [true, false].map((isScript) =>
      action.runs.steps.filter((step) => (step.uses === undefined) === isScript),
    );
    expect(others?.map(({ uses }) => uses)).toEqual([expect.stringMatching(/^actions\/cache@[0-9a-f]{40}$/)]);
    expect(new Set(scripts?.map(({ shell }) => shell))).toEqual(new Set(["bash"]));
    for (const step of scripts?.filter((each) => isMeant(each.if)) ?? []) {
      for (const file of [files.GITHUB_ENV, files.GITHUB_PATH]) await writeFile(file, "");
      const own = Object.fromEntries(Object.entries(step.env ?? {}).map(([name, value]) => [name, expand(value)]));
      const script = ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run ?? ""];
      const { stdout, stderr } = await run("bash", script, { cwd: project, env: { ...now, ...own } });
      output += stdout + stderr;
      const path = (await readFile(files.GITHUB_PATH, "utf8")).trim();
      now = { ...now, ...variablesOf(await readFile(files.GITHUB_ENV, "utf8")) };
      if (path !== "") now["PATH"] = `${path}:${now["PATH"]}`;
    }
    return { env: now, output };
  }

  test("fetches, verifies, serves: the steps that follow ask the mirror, and the next job asks nobody", async () => {
    const { env: next, output } = await use({});
    expect(output).toMatch(/^added 2,/m);
    expect(output).toMatch(/^complete and intact: 2 checked for project$/m);
    const script = 'set -o pipefail; curl -fsS "$HEX_MIRROR/tarballs/alpha-1.0.0.tar" | sha256sum';
    const { stdout } = await run("bash", ["-c", script], { env: next });
    expect(stdout).toContain(createHash("sha256").update(alpha.bytes).digest("hex"));
    hex.log.length = 0;
    expect((await use({ serve: "false" })).output).toMatch(/^complete and intact/m);
    expect(hex.log).toEqual([]);
  });

  test("used twice in a job, for two mirrors, it serves the second", async () => {
    const first = await use({ mirror: "one", locks: "." });
    await writeFile(join(project, "mix.lock"), mixLock([alpha]));
    const second = await use({ mirror: "two", verify: "false" });
    expect([first.env["MIRROR_DIR"], second.env["MIRROR_DIR"]]).toEqual([join(project, "one"), join(project, "two")]);
    const answer = await fetch(`http://127.0.0.1:${env["MIRROR_PORT"]}/public_key`);
    expect(await answer.text()).toBe(await readFile(join(project, "two/hex/public_key"), "utf8"));
  });

  test("runs a command with it; one that is committed asks nobody, and what is missing fails the job", async () => {
    await use({ serve: "false" });
    await hex.off();
    const given = { offline: "true", serve: "false", cache: "false", run: 'echo "asks $HEX_MIRROR"' };
    expect((await use(given)).output).toMatch(/asks http:\/\/127\.0\.0\.1:\d+/);
    await expect(use({ ...given, mirror: "another" })).rejects.toThrow(/verify/);
  });
});

test("the GitLab template does the same", async () => {
  const template = z
    .object({
      ".mirror-server": z.object({ variables: z.record(z.string(), z.string()), before_script: z.array(z.string()) }),
    })
    .parse(parse(await readFile(join(root, "templates/gitlab-ci.yml"), "utf8")));
  const { variables, before_script: before } = template[".mirror-server"];
  await mkdir(join(folder, "bin"));
  await symlink(join(root, "bin/mirror-server.cjs"), join(folder, "bin/mirror-server"));
  const certs = join(folder, "certs");
  const job: Record<string, string> = {
    ...env,
    CI_PROJECT_DIR: project,
    PATH: `${join(folder, "bin")}:${env["PATH"]}`,
  };
  for (const [name, value] of Object.entries(variables)) {
    job[name] = value.replace("$CI_PROJECT_DIR", project).replace("/tmp/mirror-server-certs", certs);
  }
  const script = [...before, 'curl -fsS "$HEX_MIRROR/tarballs/beta-2.1.0.tar" | wc -c'].join("\n");
  const { stdout, stderr } = await run("bash", ["-eo", "pipefail", "-c", script], { cwd: project, env: job });
  expect(stderr).not.toMatch(/is no option/);
  expect(stdout).toMatch(/^added 2,[\s\S]*^complete and intact[\s\S]*^ok\n\d{3,}\n$/m);
});

/** `NAME=value`, or between marks where it has several lines. */
function variablesOf(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const lines = text.split("\n");
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name = "", mark] = /^(\w+)<<(.+)$/.exec(line) ?? [];
    if (mark !== undefined) {
      const end = lines.indexOf(mark);
      found[name] = lines
        .splice(0, end + 1)
        .slice(0, -1)
        .join("\n");
    } else if (line.includes("=")) found[line.slice(0, line.indexOf("="))] = line.slice(line.indexOf("=") + 1);
  }
  return found;
}
