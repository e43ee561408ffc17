/** `mirror-server serve` */
import { join } from "node:path";
import { isIPv6 } from "node:net";
import type { Config } from "../config.ts";
import { aborted } from "../listeners.ts";
import { shellQuoted } from "../text.ts";
import { describeMode, type PullMode } from "../store/pull-mode.ts";
import type { Fingerprints } from "../store/trust.ts";
import { fingerprintLines } from "./fingerprints.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { MirrorError } from "../errors.ts";
import type { WatchedLocks } from "../mirror/watch.ts";
import { lockPlaces, readLocks } from "./locks.ts";

export const serve: Command = async (context) => {
  const { config, mirror, signal } = context;
  const { createLogger } = await import("./logger.ts");
  const logger = await createLogger(config.logLevel);
  const listening = await mirror.serve(logger, watched(context));
  const urls = {
    http: `http://${shownHost(config)}:${listening.port}`,
    https: listening.tlsPort === undefined ? undefined : `https://${shownHost(config)}:${listening.tlsPort}`,
  };
  const { port, tlsPort, fingerprints, mode } = listening;
  printResult(context, { ...urls, port, tlsPort, pid: process.pid, pulls: mode.pulls, fingerprints }, () =>
    banner(config, urls, { fingerprints, mode }),
  );
  await aborted(signal);
  logger.info({ grace_s: config.grace }, "stopping: running requests may finish");
  await listening.close(config.grace);
  logger.info("stopped");
  return 0;
};

/** Locks that are synced when they change; undefined: none are. */
function watched({ config, cwd }: CommandContext): WatchedLocks | undefined {
  if (config.watch.length === 0) return undefined;
  if (config.offline) throw new MirrorError("config", "--watch fetches what locks name, and --offline says never to");
  return {
    files: async () => lockPlaces(config.watch, cwd),
    read: async () => (await readLocks(config.watch, cwd, config)) ?? [],
  };
}

function banner(
  config: Config,
  urls: { http: string; https: string | undefined },
  { fingerprints, mode }: { readonly fingerprints: Fingerprints; readonly mode: PullMode },
): string[] {
  // What the other commands would not find by themselves.
  const listening = new URL(urls.http).port || "80";
  const mirror = join(config.cwd, ".mirror");
  const folders = [
    ["--mirror", config.mirror, mirror],
    ["--hex-dir", config.hexDir, join(config.mirror, "hex")],
    ["--git-dir", config.gitDir, join(config.mirror, "git")],
    ["--certs-dir", config.certsDir, join(config.cwd, "certs")],
    ["--port", listening, "8000"],
  ].filter(([, value, usual]) => value !== usual);
  const options = folders.map(([option = "", value = ""]) => ` ${option} ${shellQuoted(value)}`).join("");
  return [
    `mirror-server serves ${config.mirror}, ${describeMode(mode)}`,
    `  on ${urls.http}${urls.https === undefined ? "" : ` and ${urls.https}`}`,
    ...(urls.https === undefined || config.ownCertificate !== undefined
      ? []
      : [`  clients trust ${join(config.certsDir, "ca.pem")}, also at ${urls.http}/ca.pem`]),
    ...fingerprintLines(fingerprints).map((line) => `  ${line}`),
    "",
    ...(mode.pulls ? [] : ["Fill it    mirror-server sync PATH/TO/mix.lock"]),
    `Use it     mirror-server exec${options} -- mix deps.get`,
    `           eval "$(mirror-server env${options})"`,
    "",
  ];
}

function shownHost({ host }: Config): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return isIPv6(host) ? `[${host}]` : host;
}
