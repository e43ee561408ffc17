/**
 * What stands in the way of a mirror or its clients on this machine: looked at, and nothing changed. Facts for `doctor`; what
 * is wrong is told to the reporter, as any command would.
 */
import { X509Certificate } from "node:crypto";
import { accessSync, constants, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import type { Client } from "../clients/client-setup.ts";
import { readRebarConfig } from "../clients/files.ts";
import { findSettings, type FoundSetting } from "../clients/found-settings.ts";
import { readHexTerms } from "../clients/hex-file.ts";
import { readRebarTerms } from "../clients/rebar-file.ts";
import { findRunning, type Running, type RunningKey } from "../clients/running-server.ts";
import { usersEnvironment } from "../clients/variables.ts";
import type { Config } from "../config.ts";
import { isFile, readIfPresent } from "../disk/files.ts";
import { describeError, hasErrno } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { hexpm } from "../names/hex-repository.ts";
import { describeMode, pullMode, type PullModeKey } from "../store/pull-mode.ts";
import { tellForeign, type Context } from "../store/context.ts";
import { caFileOf, tellTrustProblems, type AuthorityKey } from "../store/trust.ts";
import { tellWeakKey } from "../store/weak-key.ts";
import { requireProxies } from "../upstream/proxies.ts";

export type ExamineKey =
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
  /** Where nothing can be written, though it should be. */
  readonly folders: readonly { readonly option: string; readonly folder: string; readonly isWritable: boolean }[];
  readonly server: Pick<Running, "state" | "url">;
  readonly ports: readonly {
    readonly option: string;
    readonly port: number;
    readonly state: "free" | "taken" | "barred";
  }[];
  /** Of the server's certificate; undefined: there is none yet. */
  readonly certificate: { readonly from: string; readonly until: string; readonly isGood: boolean } | undefined;
  /** What is wrong with the proxies of the environment. */
  readonly proxyProblem: string | undefined;
  /** The newest time that is written here, when it lies in the future. */
  readonly future: string | undefined;
  readonly settings: readonly FoundSetting[];
}

export async function examine(
  context: Context<ExamineKey>,
  client: Client,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<Examined> {
  const { config, paths } = context;
  const gitProblem = await gitEnvironments().then(
    () => undefined,
    (error: unknown) => describeError(error),
  );
  const { state, url } = await findRunning(context);
  await tellForeign(context);
  await tellTrustProblems(context);
  if (gitProblem === undefined) await tellWeakKey(context, gitEnvironments);
  const environment = usersEnvironment(client.environment);
  const hexFile = await readIfPresent(config.hexConfigFile).catch(() => undefined);
  return {
    node: process.versions.node,
    git: { problem: gitProblem },
    mirror: {
      folder: paths.mirror.path,
      isThere: paths.registry(hexpm).publicKey.look()?.isFile() === true,
      mode: describeMode(await pullMode(context, client.isTracked)),
      nearby: config.nearby,
    },
    folders: foldersOf(config),
    // What it is known by is nobody's to read.
    server: { state, url },
    ports: state === "none" ? await portsOf(config) : [],
    certificate: await certificateOf(config),
    proxyProblem: problemOf(() => requireProxies(config.proxy)),
    future: futureOf([paths.mirrorFile.path, paths.mirror.path, caFileOf(config)]),
    settings: findSettings({
      environment,
      git: client.git,
      hex: readHexTerms(hexFile?.toString("utf8") ?? ""),
      rebar: readRebarTerms(await readRebarConfig(environment).catch(() => "")),
    }),
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

async function stateOf(host: string, port: number): Promise<"free" | "taken" | "barred"> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", (error) => resolve(hasErrno(error, "EADDRINUSE") ? "taken" : "barred"));
    server.listen(port, host, () => server.close(() => resolve("free")));
  });
}

async function certificateOf({
  certsDir,
  ownCertificate,
}: Pick<Config, AuthorityKey>): Promise<Examined["certificate"]> {
  const file = ownCertificate?.cert ?? `${certsDir}/server.pem`;
  const pem = isFile(file) ? await readIfPresent(file).catch(() => undefined) : undefined;
  if (pem === undefined) return undefined;
  try {
    const { validFrom, validTo } = new X509Certificate(pem);
    const [from, until] = [new Date(validFrom), new Date(validTo)];
    const isGood = from.getTime() <= Date.now() && Date.now() < until.getTime();
    return { from: from.toISOString(), until: until.toISOString(), isGood };
  } catch {
    return { from: "", until: "", isGood: false };
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
