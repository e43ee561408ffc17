/**
 * The configuration: each option (options.ts) from its strongest source: flag, then environment, then configuration
 * file, then default. The result is frozen; each part of the program receives only what it needs of it. Nothing else
 * reads `process.env`.
 */
import { platform, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { readTextSync } from "./disk/files.ts";
import { homeFolder } from "./disk/scratch.ts";
import { MirrorError, hasErrno } from "./errors.ts";
import type { InstallerTarget } from "./plan/installers.ts";
import {
  options,
  type FileSource,
  type NamedRelease,
  type NamedRepository,
  type Option,
  type OptionKey,
} from "./options.ts";

export interface Config {
  /** Where the program was started. */
  readonly cwd: string;
  readonly mirrorDir: string;
  readonly hexDir: string;
  readonly gitDir: string;
  readonly certsDir: string;
  readonly cacheDir: string;
  readonly privateKeyFile: string;
  readonly host: string;
  readonly port: number;
  /** undefined: HTTP only. */
  readonly tlsPort: number | undefined;
  readonly names: readonly string[];
  /** undefined: as the mirror was made, `hexpm` for a new one. */
  readonly registryName: string | undefined;
  readonly hexUrl: string;
  /** undefined: hex.pm's pinned key. */
  readonly hexPublicKeyFile: string | undefined;
  readonly concurrency: number;
  readonly graceSeconds: number;
  readonly logLevel: z.infer<typeof options.logLevel.schema>;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly lockName: string | undefined;
  readonly newKey: boolean;
  readonly gitRefs: "all" | "locked";
  readonly gitShallow: boolean;
  readonly allowLocalGit: boolean;
  readonly gitMaxProcesses: number;
  /** Bytes; 0: none. */
  readonly gitCacheSize: number;
  /** Hex repositories besides hexpm, with the files that hold their public keys. */
  readonly repositories: readonly NamedRepository[];
  /** What no lock names. */
  readonly packages: readonly NamedRelease[];
  readonly files: readonly FileSource[];
  readonly docs: boolean;
  /** Which installers to mirror: undefined none, empty those for every Elixir. */
  readonly installers: readonly InstallerTarget[] | undefined;
  readonly buildsUrl: string;
  /** undefined: the key that Mix has built in. */
  readonly buildsPublicKeyFile: string | undefined;
  /** Proxies that say who the client is: addresses and ranges. */
  readonly trustProxy: readonly string[];
  /** The file with the tokens that guard /repos/…; undefined: open. */
  readonly requireTokenFile: string | undefined;
  /** Locks that `prune` keeps; undefined: all. */
  readonly keepLocks: readonly string[] | undefined;
  readonly deep: boolean;
  /** A certificate of the user's own; undefined: the local authority's. */
  readonly ownCertificate: OwnCertificate | undefined;
  readonly forgetCaKey: boolean;
  readonly newCa: boolean;
  /** Where clients reach the mirror; undefined: on this machine. */
  readonly url: string | undefined;
  readonly format: "sh" | "docker" | "github-actions" | "json";
  readonly revert: boolean;
  readonly ifChanged: boolean;
  readonly compose: boolean;
  /** What the app is called in the compose file. */
  readonly service: string;
  readonly commit: boolean;
  /** Hex's own configuration, where tokens are kept. */
  readonly hexConfigFile: string;
  /** Where Hex keeps the tarballs that it fetched. */
  readonly hexPackagesDir: string;
  /** `MIRROR_TOKEN_NAME`, by NAME. */
  readonly tokens: ReadonlyMap<string, string>;
  /** HTTP(S)_PROXY and NO_PROXY, as the environment gives them. */
  readonly proxy: { httpProxy?: string; httpsProxy?: string; noProxy?: string };
  /** What was passed over and why; to be logged. */
  readonly warnings: readonly string[];
}

/** Files, PEM. */
export interface OwnCertificate {
  readonly cert: string;
  readonly key: string;
  /** undefined: clients trust it as it is. */
  readonly ca: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface Sources {
  /** By option key, as commander gives them: only those that were typed. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly cwd: string;
}

/** The environment of this process, which clients are given; read nowhere else. */
export function processEnvironment(): Environment {
  return process.env;
}

/** @throws MirrorError `config` naming the option, where it was set and what is allowed */
export function loadConfig({ flags, environment, cwd }: Sources): Config {
  const warnings: string[] = [];
  const file = readConfigFile(flags["config"] ?? (environment["MIRROR_CONFIG"] || undefined), cwd);
  const get = <K extends OptionKey>(key: K): z.infer<(typeof options)[K]["schema"]> | undefined => {
    const option: Option = options[key];
    const variable = variableOf(key);
    const fromEnvironment = environment[variable];
    if (flags[key] !== undefined) return parse(option, flags[key], option.flag ?? key, cwd) as never;
    if (option.flag !== undefined && fromEnvironment !== undefined && fromEnvironment !== "") {
      if (!isServiceVariable(fromEnvironment)) return parse(option, fromEnvironment, variable, cwd) as never;
      warnings.push(`${variable}=${fromEnvironment} is ignored: an orchestrator sets such variables for services`);
    }
    if (file.values[key] !== undefined) {
      return parse(option, file.values[key], `"${key}" in ${file.path}`, dirname(file.path)) as never;
    }
    return undefined;
  };

  const mirrorDir = get("mirror") ?? resolve(cwd, ".mirror");
  return Object.freeze({
    cwd,
    mirrorDir,
    hexDir: get("hexDir") ?? join(mirrorDir, "hex"),
    gitDir: get("gitDir") ?? join(mirrorDir, "git"),
    certsDir: get("certsDir") ?? resolve(cwd, "certs"),
    cacheDir: get("cacheDir") ?? userCacheDir(environment),
    privateKeyFile: get("privateKey") ?? join(mirrorDir, "private_key.pem"),
    host: get("host") ?? "127.0.0.1",
    port: get("port") ?? 8000,
    tlsPort: (get("tls") ?? true) ? (get("tlsPort") ?? 8443) : undefined,
    names: (get("name") ?? []).map((name) => name.toLowerCase()),
    registryName: get("registryName"),
    hexUrl: get("hexUrl") ?? "https://repo.hex.pm",
    hexPublicKeyFile: get("hexPublicKey"),
    concurrency: get("concurrency") ?? 8,
    graceSeconds: get("grace") ?? 10,
    logLevel: get("logLevel") ?? "info",
    json: get("json") ?? false,
    dryRun: get("dryRun") ?? false,
    lockName: get("lockName"),
    newKey: get("newKey") ?? false,
    gitRefs: get("gitRefs") ?? "all",
    gitShallow: get("gitShallow") ?? false,
    allowLocalGit: get("allowLocalGit") ?? false,
    gitMaxProcesses: get("gitMaxProcesses") ?? 8,
    gitCacheSize: get("gitCacheSize") ?? 1024 ** 3,
    repositories: get("repos") ?? [],
    packages: get("packages") ?? [],
    files: get("files") ?? [],
    docs: get("docs") ?? false,
    installers: installerTargets(get("installers") ?? false, get("elixir") ?? [], get("otp") ?? []),
    buildsUrl: get("buildsUrl") ?? "https://builds.hex.pm",
    buildsPublicKeyFile: get("buildsPublicKey"),
    trustProxy: get("trustProxy") ?? [],
    requireTokenFile: get("requireToken"),
    keepLocks: get("keepLocks"),
    deep: get("deep") ?? false,
    ownCertificate: ownCertificate(get("tlsCert"), get("tlsKey"), get("tlsCa")),
    forgetCaKey: get("forgetCaKey") ?? false,
    newCa: get("newCa") ?? false,
    url: get("url"),
    format: get("format") ?? "sh",
    revert: get("revert") ?? false,
    ifChanged: get("ifChanged") ?? false,
    compose: get("compose") ?? false,
    service: get("service") ?? "app",
    commit: get("commit") ?? false,
    hexConfigFile: join(hexHome(environment, "XDG_CONFIG_HOME", ".config"), "hex.config"),
    hexPackagesDir: join(hexHome(environment, "XDG_CACHE_HOME", ".cache"), "packages"),
    tokens: tokensIn(environment),
    proxy: proxyOf(environment),
    warnings,
  });
}

/** `hexDir` → `MIRROR_HEX_DIR`; the mirror's own folder is `MIRROR_DIR`. */
function variableOf(key: OptionKey): string {
  return key === "mirror" ? "MIRROR_DIR" : `MIRROR_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Docker links and Kubernetes inject `MIRROR_PORT=tcp://10.0.0.1:80` for a service called "mirror". */
function isServiceVariable(value: string): boolean {
  return /^(?:tcp|udp):\/\//.test(value);
}

function parse(option: Option, value: unknown, where: string, base: string): unknown {
  const result = option.schema.safeParse(value);
  if (!result.success) {
    throw new MirrorError("config", `${where}: ${JSON.stringify(value)} is not allowed; give ${option.allowed}`);
  }
  if (option.isPath && typeof result.data === "string") return resolve(base, result.data);
  return option.resolvePaths?.(result.data as never, base) ?? result.data;
}

/** The nth --otp belongs to the nth --elixir. */
function installerTargets(
  wanted: boolean,
  elixirs: readonly string[],
  otps: readonly string[],
): InstallerTarget[] | undefined {
  if (otps.length > 0 && otps.length !== elixirs.length) {
    throw new MirrorError("config", `--otp: give one for each --elixir, or none; there are ${otps.length} of them`);
  }
  return wanted || elixirs.length > 0 ? elixirs.map((elixir, index) => ({ elixir, otp: otps[index] })) : undefined;
}

function ownCertificate(
  cert: string | undefined,
  key: string | undefined,
  ca: string | undefined,
): OwnCertificate | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key, ca };
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  throw new MirrorError("config", "--tls-cert and --tls-key belong together; --tls-ca is of use with both only");
}

/** As Hex finds it: one folder, or one for each kind where Mix follows the XDG directories. */
function hexHome(environment: Environment, variable: string, folder: string): string {
  const home = environment["HOME"] ?? homeFolder() ?? tmpdir();
  const isXdg = ["1", "true"].includes(environment["MIX_XDG"] ?? "");
  const xdg = isXdg ? join(environment[variable] ?? join(home, folder), "hex") : undefined;
  return environment["HEX_HOME"] || (xdg ?? join(home, ".hex"));
}

/** By the name of the variable. */
function tokensIn(environment: Environment): Map<string, string> {
  const entries = Object.entries(environment).filter(([name]) => name.startsWith("MIRROR_TOKEN_"));
  return new Map(entries.flatMap(([name, value]) => (value ? [[name, value] as const] : [])));
}

function readConfigFile(given: unknown, cwd: string): { path: string; values: Record<string, unknown> } {
  const path = resolve(cwd, typeof given === "string" ? given : "mirror.config.json");
  let source: string;
  try {
    // Some editors begin a file with a mark of its encoding.
    source = readTextSync(path).replace(/^\uFEFF/, "");
  } catch (cause) {
    if (given === undefined && hasErrno(cause, "ENOENT")) return { path, values: {} };
    throw new MirrorError("config", `cannot read the configuration file ${path}`, { cause });
  }
  let values: unknown;
  try {
    values = JSON.parse(source);
  } catch (cause) {
    throw new MirrorError("config", `${path} is not JSON`, { cause });
  }
  const object = z.record(z.string(), z.unknown()).safeParse(values);
  if (!object.success) throw new MirrorError("config", `${path} must hold one JSON object`);
  const unknown = Object.keys(object.data).filter((key) => !(key in options));
  if (unknown.length > 0) {
    const known = Object.keys(options).join(", ");
    throw new MirrorError("config", `${path}: unknown option "${unknown.join('", "')}"; known are ${known}`);
  }
  return { path, values: object.data };
}

function userCacheDir(environment: Environment): string {
  const home = homeFolder();
  const given = environment["XDG_CACHE_HOME"] ?? (platform() === "win32" ? environment["LOCALAPPDATA"] : undefined);
  if (given !== undefined) return join(given, "mirror-server");
  // A user without a home, as containers run with any number for one.
  if (home === undefined) return join(tmpdir(), `mirror-server-cache-${process.getuid?.() ?? "user"}`);
  return join(home, ...(platform() === "darwin" ? ["Library", "Caches"] : [".cache"]), "mirror-server");
}

function proxyOf(environment: Environment): Config["proxy"] {
  const httpProxy = proxyUrl(environment["http_proxy"] ?? environment["HTTP_PROXY"]);
  const httpsProxy = proxyUrl(environment["https_proxy"] ?? environment["HTTPS_PROXY"]);
  const noProxy = environment["no_proxy"] ?? environment["NO_PROXY"];
  return {
    ...(httpProxy === undefined ? {} : { httpProxy }),
    ...(httpsProxy === undefined ? {} : { httpsProxy }),
    ...(noProxy ? { noProxy } : {}),
  };
}

/** `proxy.corp:3128` is one to curl and git, so it is one here. */
function proxyUrl(value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  return value.includes("://") ? value : `http://${value}`;
}
