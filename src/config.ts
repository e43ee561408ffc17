/**
 * Every option, once: its flag, environment variable, key in mirror.config.json, default and the values allowed.
 * The strongest source wins: flag, then environment, then configuration file, then default. The result is frozen;
 * each part of the program receives only what it needs of it. Nothing else reads `process.env`.
 */
import { readFileSync } from "node:fs";
import { homedir, platform } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { MirrorError, hasErrno } from "./errors.ts";

const port = z.coerce.number().int().min(0).max(65535);
const positive = z.coerce.number().int().min(1);
const flag = z.union([z.boolean(), z.stringbool()]);
const list = z.union([z.array(z.string()), z.string().transform((text) => text.split(",").map((item) => item.trim()))]);
const hostName = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i;
const names = list.pipe(z.array(z.string().regex(hostName)));
const text = z.string().min(1);
const httpUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ""));

interface Option {
  /** As commander wants it; `--no-…` gives false. */
  readonly flag: string;
  readonly help: string;
  /** Said in the error after a bad value. */
  readonly allowed: string;
  readonly schema: z.ZodType;
  /** Relative paths count from the working folder, or from the configuration file that holds them. */
  readonly isPath?: true;
}

/** The keys are those of mirror.config.json; `mirrorDir` is `MIRROR_DIR` in the environment and `--mirror`. */
const options = {
  mirror: { flag: "--mirror <dir>", help: "the mirror's folder", allowed: "a folder", schema: text, isPath: true },
  hexDir: {
    flag: "--hex-dir <dir>",
    help: "the registry's folder, when not MIRROR/hex",
    allowed: "a folder",
    schema: text,
    isPath: true,
  },
  gitDir: {
    flag: "--git-dir <dir>",
    help: "the bare repositories' folder, when not MIRROR/git",
    allowed: "a folder",
    schema: text,
    isPath: true,
  },
  certsDir: {
    flag: "--certs-dir <dir>",
    help: "where TLS keys and certificates are kept",
    allowed: "a folder",
    schema: text,
    isPath: true,
  },
  cacheDir: {
    flag: "--cache-dir <dir>",
    help: "what can be made again at any time",
    allowed: "a folder",
    schema: text,
    isPath: true,
  },
  privateKey: {
    flag: "--private-key <file>",
    help: "the key that signs the registry, when not MIRROR/private_key.pem",
    allowed: "a PEM file, PKCS#1 or PKCS#8",
    schema: text,
    isPath: true,
  },
  host: { flag: "--host <address>", help: "address to listen on", allowed: "a host name or address", schema: text },
  port: {
    flag: "--port <number>",
    help: "HTTP port; 0 takes any free one",
    allowed: "a number from 0 to 65535",
    schema: port,
  },
  tlsPort: {
    flag: "--tls-port <number>",
    help: "HTTPS port; 0 takes any free one",
    allowed: "a number from 0 to 65535",
    schema: port,
  },
  tls: { flag: "--no-tls", help: "serve HTTP only", allowed: "true or false", schema: flag },
  name: {
    flag: "--name <names>",
    help: "further host names of the mirror itself, separated by commas",
    allowed: "host names, separated by commas",
    schema: names,
  },
  registryName: {
    flag: "--registry-name <name>",
    help: "the name that the registry is signed with",
    allowed: "lower-case letters, digits, _ and -",
    schema: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  },
  hexUrl: {
    flag: "--hex-url <url>",
    help: "the Hex repository to fetch from",
    allowed: "an http or https URL",
    schema: httpUrl,
  },
  hexPublicKey: {
    flag: "--hex-public-key <file>",
    help: "its public key, when it is not hex.pm's",
    allowed: "a PEM file",
    schema: text,
    isPath: true,
  },
  concurrency: {
    flag: "--concurrency <number>",
    help: "how much is fetched at once",
    allowed: "a number from 1 to 64",
    schema: positive.max(64),
  },
  grace: {
    flag: "--grace <seconds>",
    help: "how long running requests may take to finish after SIGTERM",
    allowed: "seconds, 0 or more",
    schema: z.coerce.number().min(0).max(3600),
  },
  logLevel: {
    flag: "--log-level <level>",
    help: "how much is logged",
    allowed: "trace, debug, info, warn, error, fatal or silent",
    schema: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
  },
  json: { flag: "--json", help: "print one JSON document instead of text", allowed: "true or false", schema: flag },
  dryRun: {
    flag: "--dry-run",
    help: "say what would be done, and do nothing",
    allowed: "true or false",
    schema: flag,
  },
  lockName: {
    flag: "--lock-name <name>",
    help: "what the mirror calls the lock, when not by its project's folder",
    allowed: "letters, digits, ., _ and -",
    schema: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/),
  },
  newKey: {
    flag: "--new-key",
    help: "sign with a new key although the registry was signed with another that is not here",
    allowed: "true or false",
    schema: flag,
  },
  gitRefs: {
    flag: "--git-refs <which>",
    help: "mirror all heads and tags, or only what locks name",
    allowed: "all or locked",
    schema: z.enum(["all", "locked"]),
  },
  gitShallow: {
    flag: "--git-shallow",
    help: "leave history out where every lock entry has depth: (their apps need Elixir 1.18)",
    allowed: "true or false",
    schema: flag,
  },
  allowLocalGit: {
    flag: "--allow-local-git",
    help: "allow locks to name repositories on this machine, by path or file://",
    allowed: "true or false",
    schema: flag,
  },
  gitCacheSize: {
    flag: "--git-cache-size <size>",
    help: "how much of git's answers is kept in the cache folder; 0 keeps none",
    allowed: "a size such as 1GiB, 500MB or 0",
    schema: z.coerce.string().transform(bytesOf).pipe(z.number().min(0)),
  },
  gitMaxProcesses: {
    flag: "--git-max-processes <number>",
    help: "how many git upload-pack processes run at once; more requests wait",
    allowed: "a number from 1 to 256",
    schema: positive.max(256),
  },
} as const satisfies Record<string, Option>;

/** `1GiB`, `500MB` or plain bytes. */
function bytesOf(value: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(value.trim()) ?? [];
  const power = "kmgt".indexOf(unit.charAt(0).toLowerCase() || "-") + 1;
  return digits === "" ? Number.NaN : Math.floor(Number(digits) * (/i$/i.test(unit) ? 1024 : 1000) ** power);
}

export type OptionKey = keyof typeof options;

export interface Config {
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
  /** HTTP(S)_PROXY and NO_PROXY, as the environment gives them. */
  readonly proxy: { httpProxy?: string; httpsProxy?: string; noProxy?: string };
  /** What was passed over and why; to be logged. */
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface Sources {
  /** By option key, as commander gives them: only those that were typed. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly cwd: string;
}

export function optionsFor(keys: readonly OptionKey[]): { key: OptionKey; flag: string; help: string }[] {
  return keys.map((key) => ({ key, flag: options[key].flag, help: options[key].help }));
}

/** The environment of this process; handed to `loadConfig` and to git, and read nowhere else. */
export function processEnvironment(): Environment {
  return process.env;
}

/** @throws MirrorError `config` naming the option, where it was set and what is allowed */
export function loadConfig({ flags, environment, cwd }: Sources): Config {
  const warnings: string[] = [];
  const file = readConfigFile(flags["config"] ?? environment["MIRROR_CONFIG"], cwd);
  const get = <K extends OptionKey>(key: K): z.infer<(typeof options)[K]["schema"]> | undefined => {
    const option: Option = options[key];
    const variable = variableOf(key);
    const fromEnvironment = environment[variable];
    if (flags[key] !== undefined) return parse(option, flags[key], option.flag, cwd) as never;
    if (fromEnvironment !== undefined && fromEnvironment !== "") {
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
  return option.isPath && typeof result.data === "string" ? resolve(base, result.data) : result.data;
}

function readConfigFile(given: unknown, cwd: string): { path: string; values: Record<string, unknown> } {
  const path = resolve(cwd, typeof given === "string" ? given : "mirror.config.json");
  let source: string;
  try {
    source = readFileSync(path, "utf8");
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
  const base =
    environment["XDG_CACHE_HOME"] ??
    (platform() === "darwin" ? join(homedir(), "Library", "Caches") : undefined) ??
    (platform() === "win32" ? environment["LOCALAPPDATA"] : undefined) ??
    join(homedir(), ".cache");
  return join(base, "mirror-server");
}

function proxyOf(environment: Environment): Config["proxy"] {
  const httpProxy = environment["http_proxy"] ?? environment["HTTP_PROXY"];
  const httpsProxy = environment["https_proxy"] ?? environment["HTTPS_PROXY"];
  const noProxy = environment["no_proxy"] ?? environment["NO_PROXY"];
  return {
    ...(httpProxy ? { httpProxy } : {}),
    ...(httpsProxy ? { httpsProxy } : {}),
    ...(noProxy ? { noProxy } : {}),
  };
}
