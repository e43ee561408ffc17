/** `mirror-server serve` */
import { dirname, join } from "node:path";
import { isIPv6 } from "node:net";
import type { Config } from "../config.ts";
import { options } from "../options.ts";
import { aborted } from "../listeners.ts";
import { shellQuoted } from "../text.ts";
import { describeMode, type PullMode } from "../store/pull-mode.ts";
import type { Fingerprints } from "../store/trust.ts";
import { fingerprintLines } from "./fingerprints.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { MirrorError } from "../errors.ts";
import type { WatchedLocks } from "../mirror/watch.ts";
import { lockPlaces, readLocks } from "./locks.ts";
import { logSentence } from "./log-sentence.ts";

export const serve: Command = async (context) => {
  const { config, mirror, signal } = context;
  const { createLogger } = await import("./logger.ts");
  const logger = createLogger(config.logLevel, logSentence);
  const listening = await mirror.serve(logger, watched(context));
  const urls = {
    http: `http://${shownHost(config)}:${listening.port}`,
    https: listening.tlsPort === undefined ? undefined : `https://${shownHost(config)}:${listening.tlsPort}`,
  };
  const { port, tlsPort, fingerprints, mode } = listening;
  const facts = { ...urls, port, tlsPort, pid: process.pid, pulls: mode.pulls, fingerprints };
  // For people; where a machine reads, the log says the same.
  if (config.json || context.isOutputTerminal) {
    printResult(context, facts, () => banner(config, urls, { fingerprints, mode }));
  }
  if (!context.isOutputTerminal)
    logger.info({ ...facts, mirror: config.mirror }, `serving ${config.mirror}, ${describeMode(mode)}`);
  await aborted(signal);
  logger.info({ grace_s: config.grace }, "stopping: running requests may finish");
  await listening.close(config.grace);
  logger.info("stopped");
  return 0;
};

/** Locks that are synced when they change; undefined: none are. */
function watched(context: CommandContext): WatchedLocks | undefined {
  const { config, cwd } = context;
  if (config.readOnly && (config.watch.length > 0 || config.pull === true)) {
    throw new MirrorError(
      "config",
      "--read-only writes nothing, so that it neither watches locks nor pulls; leave one out",
    );
  }
  if (config.watch.length === 0) return undefined;
  if (config.offline) throw new MirrorError("config", "--watch fetches what locks name, and --offline says never to");
  return {
    files: async () => lockPlaces(config.watch, cwd),
    read: async () => (await readLocks(config.watch, context)) ?? [],
  };
}

/** What to do next, in words that hold in any folder. */
function banner(
  config: Config,
  urls: { readonly http: string; readonly https: string | undefined },
  { fingerprints, mode }: { readonly fingerprints: Fingerprints; readonly mode: PullMode },
): string[] {
  const { https, http } = urls;
  const isOwnAuthority = https !== undefined && config.ownCertificate === undefined;
  const which = optionsFor(config, http);
  return [
    `mirror-server serves ${config.mirror},`,
    `  ${describeMode(mode)}`,
    `  on ${http}${https === undefined ? "" : ` and ${https}`}`,
    ...(isOwnAuthority ? [`  clients trust ${join(config.certsDir, "ca.pem")}`, `  also at ${http}/ca.pem`] : []),
    ...fingerprintLines(fingerprints).map((line) => `  ${line}`),
    "",
    ...(mode.pulls ? [] : ["Fill it:", `  mirror-server sync --mirror ${shellQuoted(config.mirror)} PATH/TO/mix.lock`]),
    "Use it:",
    `  mirror-server exec${which} -- mix deps.get`,
    `  eval "$(mirror-server env${which})"`,
    "",
  ];
}

/** Which mirror it is, and what of it the other commands would not find by that. */
function optionsFor(config: Config, http: string): string {
  const given = [
    ["--hex-dir", config.hexDir, join(config.mirror, "hex")],
    ["--git-dir", config.gitDir, join(config.mirror, "git")],
    ["--certs-dir", config.certsDir, join(dirname(config.mirror), "certs")],
    ["--port", new URL(http).port || "80", String(options.port.default)],
  ].filter(([, value, usual]) => value !== usual);
  const all = [["--mirror", config.mirror], ...given];
  return all.map(([option = "", value = ""]) => ` ${option} ${shellQuoted(value)}`).join("");
}

function shownHost({ host }: Config): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return isIPv6(host) ? `[${host}]` : host;
}
