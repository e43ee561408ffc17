/**
 * The configuration: each option (options.ts) from its strongest source: flag, then environment, then configuration
 * file, then default. The result is frozen; each part of the program receives only what it needs of it. Nothing else
 * reads `process.env`.
 */
import { platform, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { authorityFiles, type AuthorityFile } from "./authorities.ts";
import { countsOnce, isBelow, readConfigFile, refuseTrust, resolveFromFile } from "./config-file.ts";
import { exists, isFolder } from "./disk/files.ts";
import { homeFolder } from "./disk/scratch.ts";
import { MirrorError } from "./errors.ts";
import { trimEnd } from "./text.ts";
import { nearest } from "./maybe-meant.ts";
import { redactUrl } from "./names/git-url.ts";
import { hexApiHost, hexRegistryHost, installersHost } from "./names/known-hosts.ts";
import { switchesIn } from "./verification.ts";
import { options, variableOf, type InstallerTarget, type Option, type OptionKey, type Settings } from "./options.ts";

type Grouped = "upstreamTokens" | "tls" | "tlsCert" | "tlsKey" | "tlsCa" | "elixir" | "otp" | "installers";

/** Each setting and command option by its key (options.ts), and what follows from several of them, or from elsewhere. */
export interface Config extends Omit<Settings, Grouped | "tlsPort"> {
  /** Where the program was started. */
  readonly cwd: string;
  /** Options for which somebody gave a value. */
  readonly said: ReadonlySet<OptionKey>;
  /** Whether there is a configuration file. */
  readonly hasFile: boolean;
  /** Mirrors besides the one that is meant, in words. */
  readonly nearby: readonly string[];
  readonly hexDir: string;
  readonly gitDir: string;
  readonly cacheDir: string;
  readonly privateKey: string;
  /** The cache folder that no project chose: what is in it is believed. */
  readonly ownCacheDir: string;
  /** Whether the authority in `certsDir` is one that the user, or the mirror's own project, has there. */
  readonly isAuthorityKnown: boolean;
  /** undefined: HTTP only. */
  readonly tlsPort: number | undefined;
  /** Which installers to mirror: undefined none, empty those for every Elixir. */
  readonly installers: readonly InstallerTarget[] | undefined;
  /** A certificate of the user's own; undefined: the local authority's. */
  readonly ownCertificate: OwnCertificate | undefined;
  /** Where files lie that last no longer than the user's session; undefined where the system has no such folder. */
  readonly runtimeDir: string | undefined;
  /** Hex's own configuration, where tokens are kept. */
  readonly hexConfigFile: string;
  /** `HEX_POLICY`: the dependency policy that Hex enforces in the user's shell. */
  readonly hexPolicy: string | undefined;
  /** Where Hex keeps the tarballs that it fetched. */
  readonly hexPackagesDir: string;
  /** And the documentation. */
  readonly hexDocsDir: string;
  /** `MIRROR_TOKEN_NAME`, by NAME. */
  readonly tokens: ReadonlyMap<string, string>;
  /** What `upstreamTokens` name, with what the environment holds of it. */
  readonly urlTokens: readonly {
    readonly scope: string;
    readonly variable: string;
    readonly value: string | undefined;
  }[];
  /** HTTP(S)_PROXY and NO_PROXY, as the environment gives them. */
  readonly proxy: { httpProxy?: string; httpsProxy?: string; noProxy?: string };
  /** Options that a configuration file set which nobody named, that file, and whether the mirror is the one below it. */
  readonly found: { readonly path: string; readonly keys: ReadonlySet<OptionKey>; readonly isOfMirror: boolean };
  /** Who publishes to object storage, and where that is, as the environment of Amazon's tools says. */
  readonly aws: AwsSettings;
  /** Whose certificates count besides. */
  readonly authorities: readonly AuthorityFile[];
  /** Switches of the environment that would turn verification off. */
  readonly switches: readonly string[];
  /** What was passed over and why; to be told. */
  readonly warnings: readonly string[];
}

/** Each undefined where nothing is said. */
export interface AwsSettings {
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
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
  /** Where the mirror was found, for which nobody said where it is: stronger than a default, weaker than all else. */
  readonly located?: Located;
}

/** Which mirror is meant, and how its server is reached. */
export interface Located {
  /** By option key, paths absolute. */
  readonly values: Readonly<Partial<Record<OptionKey, unknown>>>;
  /** What there is besides, in words. */
  readonly nearby: readonly string[];
  /** Whether a folder of another user's lies where a mirror would be made. */
  readonly isBarred: boolean;
}

/** Nobody looked, or need have. */
export const nowhere: Located = { values: {}, nearby: [], isBarred: false };

let atStart: Environment | undefined;

/** The environment of this process as it was at its start, which clients are given; read nowhere else. */
export function processEnvironment(): Environment {
  atStart ??= { ...process.env };
  // Node looks at it with each connection: ours are verified, whatever it says.
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  return atStart;
}

/** @throws MirrorError `config` naming the option, where it was set and what is allowed */
export function loadConfig({ flags, environment, cwd, located = nowhere }: Sources): Config {
  const warnings = unknownVariables(environment);
  const given = flags["config"] ?? (environment["MIRROR_CONFIG"] || undefined);
  const file = readConfigFile(typeof given === "string" ? given : undefined, cwd);
  const found = new Set<OptionKey>();
  const inWorkingFolder = (path: string) => resolve(cwd, path);
  const read = (key: OptionKey): unknown => {
    const option: Option = options[key];
    const variable = variableOf(key);
    const fromEnvironment = environment[variable] || undefined;
    if (flags[key] !== undefined) return parse(option, flags[key], option.flag ?? key, inWorkingFolder);
    if (option.flag !== undefined && fromEnvironment !== undefined) {
      if (isServiceVariable(key, fromEnvironment)) {
        warnings.push(`${variable}=${fromEnvironment} is ignored: an orchestrator sets such variables for services`);
      } else if (option.scope === "command") throw countsOnce(variable, option);
      else return parse(option, fromEnvironment, variable, inWorkingFolder);
    }
    const value = file.values[key];
    if (value === undefined) return undefined;
    if (file.isFound) found.add(key);
    return parse(option, value, `"${key}" in ${file.path}`, (path) => resolveFromFile(path, key, file));
  };
  const isNamed = (key: OptionKey) =>
    flags[key] !== undefined ||
    Boolean(environment[variableOf(key)]) ||
    (file.values[key] !== undefined && !file.isFound);
  const keys = Object.keys(options) as OptionKey[];
  const said = new Map(keys.map((key) => [key, read(key)]));
  const ofMirror = belowUpstream(said.get("upstream"));
  const values = keys.map((key) => {
    const { default: usual, flag = key }: Option = options[key];
    const otherwise = usual === undefined ? undefined : parse(options[key], usual, flag, inWorkingFolder);
    return [key, said.get(key) ?? ofMirror[key] ?? located.values[key] ?? otherwise];
  });
  const settings = Object.fromEntries(values) as Settings;
  const { mirror } = settings;
  const hexDir = settings.hexDir ?? join(mirror, "hex");
  const privateKey = settings.privateKey ?? join(mirror, "private_key.pem");
  const usersCache = userCacheDir(environment);
  for (const key of found) refuseTrust(key, file, [mirror, hexDir, privateKey]);

  return Object.freeze({
    ...settings,
    logLevel: said.get("logLevel") === undefined ? levelFor(settings) : settings.logLevel,
    cwd,
    said: new Set(keys.filter((key) => said.get(key) !== undefined)),
    hasFile: file.isThere,
    nearby: located.nearby,
    offline: settings.offline || settings.hermetic,
    hexApiUrl: settings.hexApiUrl ?? (settings.hexUrl === options.hexUrl.default ? hexApiOf : undefined),
    hexDir,
    gitDir: settings.gitDir ?? join(mirror, "git"),
    cacheDir: settings.cacheDir ?? usersCache,
    privateKey,
    ownCacheDir: found.has("cacheDir") ? usersCache : (settings.cacheDir ?? usersCache),
    // Certificates of the working folder are those of the mirror there, and nobody's for a mirror elsewhere.
    isAuthorityKnown:
      isNamed("certsDir") ||
      located.values.certsDir === settings.certsDir ||
      isBelow(mirror, dirname(settings.certsDir)),
    tlsPort: settings.tls ? settings.tlsPort : undefined,
    name: settings.name.map((name) => name.toLowerCase()),
    installers: installerTargets(settings.installers, settings.elixir, settings.otp),
    ownCertificate: ownCertificate(settings.tlsCert, settings.tlsKey, settings.tlsCa),
    runtimeDir: environment["XDG_RUNTIME_DIR"] || undefined,
    hexPolicy: environment["HEX_POLICY"],
    hexConfigFile: join(hexHome(environment, "XDG_CONFIG_HOME", ".config"), "hex.config"),
    hexPackagesDir: join(hexHome(environment, "XDG_CACHE_HOME", ".cache"), "packages"),
    hexDocsDir: join(hexHome(environment, "XDG_DATA_HOME", ".local/share"), "docs"),
    tokens: tokensIn(environment),
    urlTokens: Object.entries(settings.upstreamTokens).map(([scope, variable]) => ({
      scope,
      variable,
      value: environment[variable] || undefined,
    })),
    proxy: proxyOf(environment),
    aws: awsSettings(environment),
    authorities: authorityFiles(environment, cwd),
    switches: switchesIn(environment),
    found: { path: file.path, keys: found, isOfMirror: isBelow(mirror, dirname(file.path)) },
    warnings,
  });
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html */
function awsSettings(environment: Environment): AwsSettings {
  const first = (...names: string[]) => names.map((name) => environment[name]).find((value) => value);
  const trimmed = (url: string | undefined) => (url === undefined ? undefined : trimEnd(url, "/"));
  return {
    accessKeyId: first("AWS_ACCESS_KEY_ID"),
    secretAccessKey: first("AWS_SECRET_ACCESS_KEY"),
    sessionToken: first("AWS_SESSION_TOKEN"),
    region: first("AWS_REGION", "AWS_DEFAULT_REGION"),
    endpoint: trimmed(first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")),
  };
}

/** How much is logged where nobody said. */
function levelFor({ quiet, verbose, logLevel }: Settings): Settings["logLevel"] {
  if (verbose) return "debug";
  return quiet ? "warn" : logLevel;
}

/** Where another mirror has what hex.pm's hosts have, as upstream signed it. */
function belowUpstream(upstream: unknown): Partial<Record<OptionKey, string>> {
  if (typeof upstream !== "string") return {};
  return { hexUrl: `${upstream}/${hexRegistryHost}`, buildsUrl: `${upstream}/${installersHost}` };
}

// A key goes to the API of the very server that it is for.
const hexApiOf = `https://${hexApiHost}/api`;

/** Docker links and Kubernetes inject `MIRROR_PORT=tcp://10.0.0.1:80` and `MIRROR_NAME=/app/mirror` for a "mirror". */
function isServiceVariable(key: OptionKey, value: string): boolean {
  return /^(?:tcp|udp):\/\//.test(value) || (key === "name" && value.startsWith("/"));
}

// Tokens, what orchestrators make for a service called mirror, what `env` sets and the files that `init` writes read.
const known =
  /^MIRROR_(?:TOKEN_.*|(?:SERVER_)?(?:SERVICE|PORT|ENV)_.*|SERVER_(?:PORT|NAME|ACTIVE|NAMES|SAVED_.*|PACKAGE|LOCKS)|NAMES|REPOSITORIES|CONFIG|IMAGE|SETUP|CLIENT_HOME)$/;

/** A name that was mistyped must not be taken for a setting that holds. */
function unknownVariables(environment: Environment): string[] {
  const variables = new Set(
    Object.entries<Option>(options).flatMap(([key, { flag }]) =>
      flag === undefined ? [] : [variableOf(key as OptionKey)],
    ),
  );
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith("MIRROR_") && !variables.has(name) && !known.test(name),
  );
  if (unknown.length === 0) return [];
  const are = unknown.length === 1 ? "is no option" : "are no options";
  const meant = nearest(unknown[0] ?? "", [...variables]);
  const remedy = meant === undefined ? '"mirror-server help configuration" lists them' : `did you mean ${meant}?`;
  return [`${unknown.sort().join(", ")} ${are} of mirror-server, and not used; ${remedy}`];
}

/** What may come several times is given as a list, one of which is most often all. */
function shownValue(value: unknown): string {
  return Array.isArray(value) ? value.map((each) => JSON.stringify(each)).join(", ") : JSON.stringify(value);
}

function parse(option: Option, value: unknown, where: string, resolvePath: (path: string) => string): unknown {
  const result = option.schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    const { allowed } = option;
    // Of what is large, only what is wrong.
    const isWithin = issue !== undefined && (issue.path.length > 0 || issue.code === "unrecognized_keys");
    if (isWithin && typeof value === "object" && !Array.isArray(value)) {
      const at = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
      throw new MirrorError("config", `${where}: ${at}${issue.message}; give ${allowed}`);
    }
    throw new MirrorError("config", `${where}: ${redactUrl(shownValue(value))} is not allowed; give ${allowed}`);
  }
  if (option.path !== undefined && typeof result.data === "string") {
    const path = resolvePath(result.data);
    requireKind(path, option.path, where);
    return path;
  }
  return option.resolvePaths?.(result.data as never, resolvePath) ?? result.data;
}

/** What lies there may be of another kind than is meant. @param where as it was given @throws MirrorError `config` */
function requireKind(path: string, kind: NonNullable<Option["path"]>, where: string): void {
  if (kind === "file or folder") return;
  if (!exists(path)) {
    if (kind === "given file") throw new MirrorError("config", `${where}: there is no file ${path}`);
  } else if (isFolder(path)) {
    if (kind !== "folder") throw new MirrorError("config", `${where}: ${path} is a folder; give a file`);
  } else if (kind === "folder") throw new MirrorError("config", `${where}: ${path} is no folder; give another`);
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

function userCacheDir(environment: Environment): string {
  const home = homeFolder();
  const given = environment["XDG_CACHE_HOME"] ?? (platform() === "win32" ? environment["LOCALAPPDATA"] : undefined);
  if (given !== undefined) return join(given, "mirror-server");
  // A user without a home, as containers run with any number for one.
  if (home === undefined) return join(tmpdir(), `mirror-server-cache-${process.getuid?.() ?? "user"}`);
  return join(home, ...(platform() === "darwin" ? ["Library", "Caches"] : [".cache"]), "mirror-server");
}

function proxyOf(environment: Environment): Config["proxy"] {
  // One for all, where nothing more is said and it is of a kind that all of us can use.
  const all = proxyUrl(environment["all_proxy"] ?? environment["ALL_PROXY"]);
  const rest = all !== undefined && /^(?:https?|socks5?):/i.test(all) ? all : undefined;
  const httpProxy = proxyUrl(environment["http_proxy"] ?? environment["HTTP_PROXY"]) ?? rest;
  const httpsProxy = proxyUrl(environment["https_proxy"] ?? environment["HTTPS_PROXY"]) ?? rest;
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
