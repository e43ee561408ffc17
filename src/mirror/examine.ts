/**
 * What stands in the way of a mirror or its clients on this machine: looked at, and nothing changed. Facts for `doctor`; what
 * is wrong is told to the reporter, as any command would.
 */
import { X509Certificate } from "node:crypto";
import { accessSync, constants, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import type { Client } from "../clients/client.ts";
import { findSettings, type FoundSetting } from "../clients/found-settings.ts";
import { readUsersFiles } from "../clients/users-files.ts";
import { findRunning, type Running, type RunningKey } from "../clients/running-server.ts";
import type { Config } from "../config.ts";
import { isFile, readIfPresent } from "../disk/files.ts";
import { MirrorError, describeError, hasErrno } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { readPrivateKey } from "../hex/keys.ts";
import { hexpm } from "../names/hex-repository.ts";
import { describeMode, pullMode, type PullModeKey } from "../store/pull-mode.ts";
import { silentReporter } from "../reporter.ts";
import { tellForeign, type Context } from "../store/context.ts";
import { caFileOf, tellTrustProblems, type AuthorityKey } from "../store/trust.ts";
import { tellWeakKey } from "../store/weak-key.ts";
import { certsPlace } from "../tls/certs-files.ts";
import { requireProxies } from "../upstream/proxies.ts";

type ExamineKey =
  | RunningKey
  | PullModeKey
  | AuthorityKey
  | "mirror"
  | "cacheDir"
  | "certsDir"
  | "tlsPort"
  | "nearby"
  | "proxy"
  | "hexConfigFile"
  | "cwd";

/** `unknown`: there is no such address here, or it cannot be listened on for another reason. */
export type PortState = "free" | "taken" | "barred" | "unknown";

export interface Examined {
  readonly node: string;
  /** undefined: there is none, or an old one, for this reason. */
  readonly git: { readonly problem: string | undefined };
  readonly mirror: {
    readonly folder: string;
    readonly isThere: boolean;
    readonly mode: string;
    readonly nearby: readonly string[];
  };
  readonly folders: readonly { readonly option: string; readonly folder: string; readonly isWritable: boolean }[];
  readonly server: Pick<Running, "state" | "url">;
  readonly ports: readonly {
    readonly option: string;
    readonly port: number;
    readonly state: PortState;
  }[];
  /** Of the server's certificate; undefined: there is none yet. */
  readonly certificate: { readonly from: string; readonly until: string; readonly isGood: boolean } | undefined;
  /** What is wrong with the proxies of the environment. */
  readonly proxyProblem: string | undefined;
  /** The newest time that is written here, when it lies in the future. */
  readonly future: string | undefined;
  readonly settings: readonly FoundSetting[];
  /** What was told of the mirror, or could not be looked at. */
  readonly warnings: readonly string[];
}

/** Whatever is wrong with one thing, the others are looked at. */
export async function examine(
  given: Context<ExamineKey>,
  client: Client,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<Examined> {
  const warnings: string[] = [];
  const context = { ...given, reporter: { ...silentReporter, warn: (text: string) => void warnings.push(text) } };
  const { config, paths } = context;
  const look = async <T>(what: () => T | Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await what();
    } catch (error) {
      warnings.push(describeError(error));
      return otherwise;
    }
  };
  const gitProblem = await gitEnvironments().then(
    () => undefined,
    (error: unknown) => describeError(error),
  );
  const running: Running = { state: "none", url: "" };
  // What it is known by is nobody's to read.
  const { state, url } = await look(async () => findRunning(context), running);
  const { environment, hex, rebar } = await readUsersFiles(config, client.environment);
  await look(async () => tellForeign(context), undefined);
  await look(async () => tellTrustProblems(context), undefined);
  if (gitProblem === undefined) await look(async () => tellWeakKey(context, gitEnvironments), undefined);
  // One that is no key at all is told by what needs it, which may be long from now.
  const key = paths.privateKey.path;
  await look(async () => {
    const pem = await readIfPresent(key);
    if (pem !== undefined) readPrivateKey(pem.toString("utf8"), key);
  }, undefined);
  if (client.git.problem !== undefined) warnings.push(`git cannot read its settings: ${client.git.problem}`);
  if (hex.isUnread) warnings.push(`${config.hexConfigFile} cannot be read, and nothing that it says counts in exec`);
  return {
    node: process.versions.node,
    git: { problem: gitProblem },
    mirror: {
      folder: paths.mirror.path,
      isThere: await look(() => paths.registry(hexpm).publicKey.look()?.isFile() === true, false),
      mode: await look(async () => describeMode(await pullMode(context, client.isTracked)), "which cannot be read"),
      nearby: config.nearby,
    },
    folders: foldersOf(config),
    server: { state, url },
    ports: state === "none" ? await portsOf(config) : [],
    certificate: await look(async () => certificateOf(config), undefined),
    proxyProblem: problemOf(() => requireProxies(config.proxy)),
    future: await look(() => futureOf([paths.mirrorFile.path, paths.mirror.path, caFileOf(config)]), undefined),
    settings: findSettings({ environment, git: client.git, hex, rebar }),
    warnings,
  };
}

function foldersOf(config: Pick<Config, "mirror" | "cacheDir" | "certsDir" | "tlsPort">): Examined["folders"] {
  const all = [
    ["--mirror", config.mirror],
    ["--cache-dir", config.cacheDir],
    ...(config.tlsPort !== undefined ? [["--certs-dir", config.certsDir] as const] : []),
  ] as const;
  return all.map(([option, folder]) => ({ option, folder, isWritable: isWritable(folder) }));
}

/** Of one that is not there yet, whether it could be made. */
function isWritable(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch (error) {
      if (!hasErrno(error, "ENOENT") || path === dirname(path)) return false;
    }
  }
}

async function portsOf({ host, port, tlsPort }: Pick<Config, "host" | "port" | "tlsPort">): Promise<Examined["ports"]> {
  const wanted = [
    ["--port", port],
    ["--tls-port", tlsPort],
  ] as const;
  const asked = wanted.flatMap(([option, number]) => (number ? [{ option, port: number }] : []));
  return Promise.all(asked.map(async (each) => ({ ...each, state: await stateOf(host, each.port) })));
}

async function stateOf(host: string, port: number): Promise<PortState> {
  const server = createServer();
  return new Promise((resolve) => {
    const states = { EADDRINUSE: "taken", EACCES: "barred" } as const;
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(states[error.code as keyof typeof states] ?? "unknown"),
    );
    server.listen(port, host, () => server.close(() => resolve("free")));
  });
}

async function certificateOf({
  certsDir,
  ownCertificate,
}: Pick<Config, AuthorityKey>): Promise<Examined["certificate"]> {
  const file = ownCertificate?.cert ?? certsPlace(certsDir).at("server.pem").path;
  const pem = isFile(file) ? await readIfPresent(file).catch(() => undefined) : undefined;
  if (pem === undefined) return undefined;
  try {
    const { validFrom, validTo } = new X509Certificate(pem);
    const [from, until] = [new Date(validFrom), new Date(validTo)];
    const isGood = from.getTime() <= Date.now() && Date.now() < until.getTime();
    return { from: from.toISOString(), until: until.toISOString(), isGood };
  } catch (cause) {
    throw new MirrorError("config", `${file} is no certificate`, { cause });
  }
}

function problemOf(look: () => void): string | undefined {
  try {
    look();
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

// Milliseconds by which clocks of one network may differ.
const tolerance = 60_000;

function futureOf(files: readonly string[]): string | undefined {
  const times = files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const newest = Math.max(...times);
  return newest > Date.now() + tolerance ? new Date(newest).toISOString() : undefined;
}
