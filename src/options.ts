/**
 * The table of options, and all that is known of each: its flag, what help says of it, the values allowed, what holds
 * where nothing is said, and whether it lasts. `Config`, the help of each command and the table in
 * docs/configuration.md come from here. The keys are those of mirror.config.json; `hexDir` is `--hex-dir`, and
 * `MIRROR_HEX_DIR` in the environment (`mirror`: `MIRROR_DIR`).
 */
import { isIP } from "node:net";
import * as z from "zod";
import { maxUrlLength } from "./names/git-url.ts";
import { ownRepository } from "./names/hex-repository.ts";
import { isImageName } from "./names/image-names.ts";
import { isPackageName, isRepositoryName } from "./names/hex-names.ts";
import { isVersion } from "./names/versions.ts";
import { parsePlatform, type Targets } from "./names/platforms.ts";
import { parsePolicyName } from "./names/policy-names.ts";
import { ownPolicy, policyNamed } from "./policy-setting.ts";
import { oneOf, trimEnd } from "./text.ts";

// Not of an empty text, which would be zero.
const whole = (least: number, most: number) =>
  z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.number().int().min(least).max(most));
const port = whole(0, 65535);
const flag = z.union([z.boolean(), z.stringbool()]);
const list = z.union([z.array(z.string()), z.string().transform((text) => text.split(",").map((item) => item.trim()))]);
const hostName = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i;
const names = list.pipe(z.array(z.string().regex(hostName)));
const text = z.string().min(1);
/** From a flag that came several times, a list in the file, or one variable with spaces between. */
const words = z.union([z.array(z.string()), z.string().transform((value) => value.split(/\s+/).filter(Boolean))]);
const day = 86_400;
/** A time, as seconds. */
const seconds = (least: number, most: number) =>
  z.coerce.string().transform(secondsOf).pipe(z.number().min(least).max(most));
/** As bytes. */
const size = z.coerce.string().transform(bytesOf);
const httpUrl = z
  .url({ protocol: /^https?$/ })
  // They would be shown in every error.
  .refine((url) => URL.canParse(url) && new URL(url).username === "" && new URL(url).password === "")
  .refine((url) => url.length <= maxUrlLength)
  .transform((url) => trimEnd(url, "/"));

/** `s3://bucket/some/prefix`, by the names that any store takes. */
const bucket = z
  .string()
  .regex(/^s3:\/\/[a-z0-9][a-z0-9._-]{1,62}(?:\/[A-Za-z0-9._~-]+)*\/?$/)
  .transform((value) => {
    const [, name = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(value) ?? [];
    return { bucket: name, prefix: prefix === "" ? "" : `${prefix}/` };
  });
const repository = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]*=https?:\/\/[^\s,@]+(?:,.+)?$/)
  .transform((value) => {
    const [, name = "", url = "", publicKeyFile] = /^([^=]+)=([^,]+?)\/*(?:,(.+))?$/.exec(value) ?? [];
    return { name, url, publicKeyFile };
  });
const named = <T>(parse: (text: string) => T | undefined) =>
  z.string().transform((value, refinement) => {
    const found = parse(value);
    if (found !== undefined) return found;
    refinement.addIssue({ code: "custom" });
    return z.NEVER;
  });
/** `jason@1.4.1`, `hexpm:acme/secret@2.0.0`; `repository` undefined: none is named. @returns undefined for what is none */
export function parseRelease(value: string): (Omit<NamedRelease, "repository"> & { repository?: string }) | undefined {
  const [, repository, name = "", version = ""] = /^(?:([a-z0-9_:-]+)\/)?([a-zA-Z0-9_]+)@(\S+)$/.exec(value) ?? [];
  if (!isPackageName(name) || !isVersion(version)) return undefined;
  if (repository === undefined) return { name, version };
  return isRepositoryName(repository) ? { repository, name, version } : undefined;
}
const release = named((value): NamedRelease | undefined => {
  const found = parseRelease(value);
  return found === undefined ? undefined : { repository: "hexpm", ...found };
});
/** What a person looked at and accepts: `jason`, `jason@1.4.1`, `hexpm:acme/secret@2.0.0` */
const changed = z
  .string()
  .regex(/^(?:[a-z0-9_:-]+\/)?[a-zA-Z0-9_]+(?:@\S+)?$/)
  .transform((value) => {
    const [, repositoryName = "hexpm", name = "", version] = /^(?:(.+)\/)?([^/@]+)(?:@(.+))?$/.exec(value) ?? [];
    return { repository: repositoryName, name, version };
  })
  .refine(
    ({ repository, name, version }) => isRepositoryName(repository) && isPackageName(name) && isVersionOrNone(version),
  );
const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const whichRefs = ["all", "locked"] as const;
const formats = ["sh", "fish", "powershell", "docker", "container", "github-actions", "gitlab", "json"] as const;
/** Files, and the word `all`. */
const tokenFiles = z
  .union([z.array(z.string()), z.string()])
  .transform((given) =>
    [given]
      .flat()
      .flatMap((each) => each.split(","))
      .map((each) => each.trim()),
  )
  .pipe(z.array(text))
  .transform((given) => ({ everything: given.includes("all"), files: given.filter((each) => each !== "all") }))
  .refine(({ files }) => files.length > 0);
const owners = list.pipe(z.array(z.string().regex(/^(?:[a-z0-9_.-]+\/)?[A-Za-z0-9_~.-]+$/i)));
/** One machine, or the word `all`. */
const machines = words.pipe(z.array(z.string())).transform((given, refinement): Targets => {
  if (given.includes("all")) return "all";
  const found = given.flatMap((each) => each.split(",")).map(parsePlatform);
  if (found.every((each) => each !== undefined)) return found;
  refinement.addIssue({ code: "custom" });
  return z.NEVER;
});
const packagePattern = z.string().regex(/^[a-z*][a-z0-9_*]*$/);
const sha256 = z.string().regex(/^[0-9a-fA-F]{64}$/);
/** Any further key is a name in braces of the URL, with its values. */
const fileSource = z
  .object({ url: z.string().min(1), sha256: z.union([sha256, z.record(z.string(), sha256)]).optional() })
  .catchall(z.union([z.string().transform((value) => [value]), z.array(z.string())]))
  .transform(({ url, sha256: checksums, ...values }) => ({
    url,
    sha256: checksums,
    values: values as Readonly<Record<string, readonly string[]>>,
  }));

/** Whose installers are wanted. */
export interface InstallerTarget {
  /** `1.17.3`, or `1.17` for any patch release of it. */
  readonly elixir: string;
  /** `27`; undefined: any. */
  readonly otp: string | undefined;
}

export type FileSource = z.infer<typeof fileSource>;
export type NamedRepository = z.infer<typeof repository>;
export interface NamedRelease {
  readonly repository: string;
  readonly name: string;
  readonly version: string;
}
export type AcceptedChange = z.infer<typeof changed>;
export type TokenFiles = z.infer<typeof tokenFiles>;

export interface Option {
  /** As commander wants it; `--no-…` gives false. undefined: in the configuration file only. */
  readonly flag?: string;
  readonly help: string;
  /** Said in the error after a bad value. */
  readonly allowed: string;
  readonly schema: z.ZodType;
  /** A setting lasts, and may stand in a file or a variable; what counts once is said each time, as a flag. */
  readonly scope: "setting" | "command";
  /** What holds where nothing is said, as one would write it. Absent, and nothing else made of it: undefined. */
  readonly default?: unknown;
  /** How people are told of the default, where that is no plain value. */
  readonly defaultText?: string;
  /**
   * Whether it says what is trusted, or who is asked in whose name: a file that was merely found in the working folder
   * has no say in that for a mirror elsewhere.
   */
  readonly decidesTrust?: true;
  /**
   * What lies at the path that it is, if anything: relative ones count from the working folder, or from the configuration
   * file that holds them. `given file`: one that has to be there.
   */
  readonly path?: "folder" | "file" | "given file" | "file or folder";
  /** Likewise for paths within the value. */
  readonly resolvePaths?: (value: never, resolve: (path: string) => string) => unknown;
  /** All words that its value may be, where these are few. */
  readonly choices?: readonly string[];
  /** The flag may come several times, and gives a list. */
  readonly isRepeatable?: true;
}

export const options = {
  mirror: {
    scope: "setting",
    default: ".mirror",
    flag: "--mirror <dir>",
    help: "the mirror's folder",
    allowed: "a folder",
    schema: text,
    path: "folder",
  },
  hexDir: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "MIRROR/hex",
    flag: "--hex-dir <dir>",
    help: "the registry's folder",
    allowed: "a folder",
    schema: text,
    path: "folder",
  },
  gitDir: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "MIRROR/git",
    flag: "--git-dir <dir>",
    help: "the bare repositories' folder",
    allowed: "a folder",
    schema: text,
    path: "folder",
  },
  certsDir: {
    scope: "setting",
    decidesTrust: true,
    default: "certs",
    flag: "--certs-dir <dir>",
    help: "where TLS keys and certificates are kept",
    allowed: "a folder",
    schema: text,
    path: "folder",
  },
  cacheDir: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "the user's cache folder",
    flag: "--cache-dir <dir>",
    help: "what can be made again at any time",
    allowed: "a folder",
    schema: text,
    path: "folder",
  },
  privateKey: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "MIRROR/private_key.pem",
    flag: "--private-key <file>",
    help: "the key that signs the registry; made on first use",
    allowed: "a PEM file, PKCS#1 or PKCS#8",
    schema: text,
    path: "file",
  },
  host: {
    scope: "setting",
    decidesTrust: true,
    default: "127.0.0.1",
    flag: "--host <address>",
    help: "address that the server listens on",
    allowed: "a host name or address",
    schema: text,
  },
  port: {
    scope: "setting",
    default: 8000,
    flag: "--port <number>",
    help: "HTTP port; 0 takes any free one",
    allowed: "a number from 0 to 65535",
    schema: port,
  },
  tlsPort: {
    scope: "setting",
    default: 8443,
    flag: "--tls-port <number>",
    help: "HTTPS port; 0 takes any free one",
    allowed: "a number from 0 to 65535",
    schema: port,
  },
  tls: {
    scope: "setting",
    default: true,
    defaultText: "TLS on",
    flag: "--no-tls",
    help: "serve HTTP only",
    allowed: "true or false",
    schema: flag,
  },
  name: {
    scope: "setting",
    decidesTrust: true,
    default: [],
    flag: "--name <names>",
    help: "further host names of the mirror itself, separated by commas",
    allowed: "host names, separated by commas",
    schema: names,
  },
  registryName: {
    scope: "setting",
    defaultText: "as the mirror was made, hexpm for a new one",
    decidesTrust: true,
    flag: "--registry-name <name>",
    help: "the name that the registry is signed with",
    allowed: "lower-case letters, digits, _ and -",
    schema: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  },
  upstream: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "the hosts themselves",
    flag: "--upstream <url>",
    help: "another mirror-server that is asked instead of hex.pm, the hosts of git repositories and of files",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  upstreamKey: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "its own packages are not taken",
    flag: "--upstream-key <fingerprint>",
    help: "the key of that mirror's registry, by which its own packages are taken",
    allowed: "SHA256:… as it tells at its start",
    schema: z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/),
  },
  hexUrl: {
    scope: "setting",
    default: "https://repo.hex.pm",
    decidesTrust: true,
    flag: "--hex-url <url>",
    help: "the Hex repository to fetch from",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  hexApiUrl: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "https://hex.pm/api, of repo.hex.pm",
    flag: "--hex-api-url <url>",
    help: "where keys of organisations are exchanged for tokens",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  hexPublicKey: {
    scope: "setting",
    defaultText: "hex.pm's, built in",
    decidesTrust: true,
    flag: "--hex-public-key <file>",
    help: "public key of the Hex registry that is mirrored",
    allowed: "a PEM file",
    schema: text,
    path: "given file",
  },
  concurrency: {
    scope: "setting",
    // Records are small, so that what they cost is the way there and back.
    default: 16,
    flag: "--concurrency <number>",
    help: "how much is fetched at once",
    allowed: "a number from 1 to 64",
    schema: whole(1, 64),
  },
  deadline: {
    scope: "setting",
    defaultText: "as long as something comes",
    flag: "--deadline <time>",
    help: "how long a sync may take; a host that does not answer is tried again until then",
    allowed: "a time such as 90s, 10m or 2h",
    schema: seconds(1, 7 * day),
  },
  pull: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "as the mirror was made; new ones do",
    flag: "--pull",
    help: "fetch from upstream what is asked for and not held",
    allowed: "true or false",
    schema: flag,
  },
  offline: {
    scope: "setting",
    default: false,
    flag: "--offline",
    help: "never ask anybody outside, whatever the mirror was made for",
    allowed: "true or false",
    schema: flag,
  },
  readOnly: {
    scope: "setting",
    default: false,
    flag: "--read-only",
    help: "a replica: no key, nothing written but caches, nobody asked; another folder in its place is served at once",
    allowed: "true or false",
    schema: flag,
  },
  hermetic: {
    scope: "setting",
    default: false,
    flag: "--hermetic",
    help: "--offline, and clients reach the mirror and nobody else: what it lacks fails at once, by name",
    allowed: "true or false",
    schema: flag,
  },
  maxAge: {
    scope: "setting",
    default: "10m",
    flag: "--max-age <time>",
    help: "how old what can change may be before upstream is asked again; refs of git: a minute at most",
    allowed: "a time such as 90s, 10m or 2h; 0: ask each time",
    schema: seconds(0, 365 * day),
  },
  upstreamTimeout: {
    scope: "setting",
    default: "3s",
    flag: "--upstream-timeout <time>",
    help: "how long a client waits for upstream before it is given what is held",
    allowed: "a time such as 3s, up to 5m",
    schema: seconds(0.1, 300),
  },
  watch: {
    scope: "setting",
    default: [],
    flag: "--watch <lock>",
    help: "sync this lock, or those of this project folder, at the start and when they change; may come several times",
    allowed: "mix.lock, rebar.lock or manifest.toml files, or project folders",
    schema: words,
    resolvePaths: (paths: string[], resolve) => paths.map(resolve),
    isRepeatable: true,
  },
  maxSize: {
    scope: "setting",
    defaultText: "no limit",
    flag: "--max-size <size>",
    help: "how large the mirror may become; what was used least lately goes, and never what a lock names",
    allowed: "a size such as 50GiB",
    schema: size.pipe(z.number().min(1)),
  },
  maxItemSize: {
    scope: "setting",
    default: "8GiB",
    flag: "--max-item-size <size>",
    help: "how large a git repository or a file may be that is fetched because a client asks",
    allowed: "a size such as 2GiB",
    schema: size.pipe(z.number().min(1)),
  },
  pullPrivate: {
    scope: "setting",
    default: [],
    decidesTrust: true,
    flag: "--pull-private <owners>",
    help: "owners and organisations whose private things are fetched by your own login for clients with a token",
    allowed: "OWNER, HOST/OWNER or hexpm:ORGANISATION, separated by commas; with --require-token",
    schema: list.pipe(z.array(z.string().regex(/^(?:[a-z0-9_.-]+\/)?[A-Za-z0-9_~.:-]+$/i))),
  },
  local: {
    scope: "setting",
    default: [],
    decidesTrust: true,
    flag: "--local <names>",
    help: "packages that are this mirror's own, and never asked of upstream; * stands for anything",
    allowed: "package names such as acme_*, separated by commas",
    schema: list.pipe(z.array(packagePattern)),
  },
  grace: {
    scope: "setting",
    default: 10,
    flag: "--grace <seconds>",
    help: "how long running requests may take to finish after SIGTERM",
    allowed: "seconds, 0 or more",
    schema: z.coerce.number().min(0).max(3600),
  },
  logLevel: {
    scope: "setting",
    default: "info",
    flag: "--log-level <level>",
    help: "how much is logged",
    allowed: oneOf(levels),
    choices: levels,
    schema: z.enum(levels),
  },
  json: {
    scope: "setting",
    default: false,
    flag: "--json",
    help: "print one JSON document instead of text",
    allowed: "true or false",
    schema: flag,
  },
  quiet: {
    scope: "command",
    default: false,
    flag: "-q, --quiet",
    help: "print only what was asked for, and what goes wrong",
    allowed: "true or false",
    schema: flag,
  },
  verbose: {
    scope: "command",
    default: false,
    flag: "-v, --verbose",
    help: "log each request of a probe too, and tell where an error came from",
    allowed: "true or false",
    schema: flag,
  },
  dryRun: {
    scope: "command",
    default: false,
    flag: "--dry-run",
    help: "say what would be done, and do nothing",
    allowed: "true or false",
    schema: flag,
  },
  lockName: {
    scope: "setting",
    defaultText: "the project's folder",
    flag: "--lock-name <name>",
    help: "what the mirror calls the lock, when not by its project's folder",
    allowed: "letters, digits, ., _ and -",
    schema: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/),
  },
  newKey: {
    scope: "command",
    default: false,
    flag: "--new-key",
    help: "sign with a new key although the registry was signed with another that is not here",
    allowed: "true or false",
    schema: flag,
  },
  gitRefs: {
    scope: "setting",
    default: "all",
    flag: "--git-refs <which>",
    help: "mirror all heads and tags, or only what locks name",
    allowed: oneOf(whichRefs),
    choices: whichRefs,
    schema: z.enum(whichRefs),
  },
  gitShallow: {
    scope: "setting",
    default: false,
    flag: "--git-shallow",
    help: "leave history out where every lock entry has depth: (their apps need Elixir 1.18)",
    allowed: "true or false",
    schema: flag,
  },
  lfs: {
    scope: "setting",
    default: true,
    defaultText: "they come",
    flag: "--no-lfs",
    help: "leave out what files of git repositories point to in Git LFS",
    allowed: "true or false",
    schema: flag,
  },
  allowLocalGit: {
    scope: "command",
    default: false,
    flag: "--allow-local-git",
    help: "allow locks to name repositories on this machine, by path or file://",
    allowed: "true or false",
    schema: flag,
  },
  gitCacheSize: {
    scope: "setting",
    default: "1GiB",
    flag: "--git-cache-size <size>",
    help: "how much of git's answers is kept in the cache folder; 0 keeps none",
    allowed: "a size such as 1GiB, 500MB or 0",
    schema: size.pipe(z.number().min(0)),
  },
  workers: {
    scope: "setting",
    default: 1,
    flag: "--workers <number>",
    help: "how many processes answer clients; more than 1 are of use where there are as many processors",
    allowed: "a number from 1 to 64",
    schema: whole(1, 64),
  },
  gitMaxProcesses: {
    scope: "setting",
    default: 8,
    flag: "--git-max-processes <number>",
    help: "how many git upload-pack processes run at once; more requests wait",
    allowed: "a number from 1 to 256",
    schema: whole(1, 256),
  },
  repos: {
    scope: "setting",
    default: [],
    decidesTrust: true,
    flag: "--repo <name=url,keyfile>",
    help: "another Hex repository that locks name; may come several times",
    allowed: "NAME=URL,KEYFILE",
    schema: words.pipe(z.array(repository)),
    resolvePaths: (repositories: NamedRepository[], resolve) =>
      repositories.map(({ publicKeyFile, ...named }) => ({
        ...named,
        publicKeyFile: publicKeyFile === undefined ? undefined : resolve(publicKeyFile),
      })),
    isRepeatable: true,
  },
  upstreamTokens: {
    scope: "setting",
    default: {},
    decidesTrust: true,
    help: "which variable holds the login for what is fetched from below a URL; the longest counts",
    allowed: 'an object such as {"https://gitlab.corp/group": "CORP_TOKEN"}; see docs/configuration.md',
    schema: z.record(httpUrl, z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/)),
  },
  packages: {
    scope: "setting",
    default: [],
    flag: "--package <name@version>",
    help: "a package that no lock names, such as a plugin; may come several times",
    allowed: "NAME@VERSION, or REPOSITORY/NAME@VERSION",
    schema: words.pipe(z.array(release)),
    isRepeatable: true,
  },
  policies: {
    scope: "setting",
    default: [],
    flag: "--policy <repo/name>",
    help: "a dependency policy that no project here names; may come several times",
    allowed: "ORGANISATION or REPOSITORY, and the policy: hexpm:acme/strict",
    schema: words.pipe(z.array(named(parsePolicyName))),
    isRepeatable: true,
  },
  policy: {
    scope: "setting",
    decidesTrust: true,
    help: "a dependency policy of your own, which this mirror signs",
    allowed: "what docs/guides/policies.md shows",
    schema: ownPolicy,
  },
  usePolicy: {
    scope: "setting",
    defaultText: "as the project or the user has it",
    flag: "--policy <name>",
    help: "the dependency policy that Hex enforces: NAME of the mirror's own, or REPOSITORY/NAME",
    allowed: "NAME, or REPOSITORY/NAME such as hexpm:acme/strict",
    schema: named(policyNamed),
  },
  files: {
    scope: "setting",
    default: [],
    help: "other files to mirror",
    allowed: 'a list of {"url", "sha256"} with lists for what stands in braces in the URL; see docs/files.md',
    schema: z.array(fileSource),
  },
  artefacts: {
    scope: "setting",
    default: false,
    flag: "--artefacts",
    help: "what packages download while they compile too: precompiled NIFs, tailwind, esbuild",
    allowed: "true or false",
    schema: flag,
  },
  targets: {
    scope: "setting",
    default: [],
    defaultText: "this machine",
    flag: "--target <machine>",
    help: "a machine that artefacts are for (again for more)",
    allowed: "names such as x86_64-linux-gnu, aarch64-apple-darwin, linux/arm64 or x86_64-linux-gnu-cuda12, or all",
    schema: machines,
    isRepeatable: true,
  },
  docs: {
    scope: "setting",
    default: false,
    flag: "--docs",
    help: "the documentation of each release too, for mix hex.docs",
    allowed: "true or false",
    schema: flag,
  },
  lists: {
    scope: "setting",
    default: false,
    flag: "--lists",
    help: "upstream's own lists of all packages too, as repo.hex.pm has them",
    allowed: "true or false",
    schema: flag,
  },
  installers: {
    scope: "setting",
    default: false,
    flag: "--installers",
    help: "what mix local.hex and mix local.rebar download too",
    allowed: "true or false",
    schema: flag,
  },
  elixir: {
    scope: "setting",
    default: [],
    defaultText: "every one from 1.12 on",
    flag: "--elixir <version>",
    help: "only installers for this Elixir; may come several times",
    allowed: "versions such as 1.17.3",
    schema: words.pipe(z.array(z.string().regex(/^\d+\.\d+(?:\.\d+)?$/))),
    isRepeatable: true,
  },
  otp: {
    scope: "setting",
    default: [],
    defaultText: "all",
    flag: "--otp <release>",
    help: "the Erlang/OTP release that the --elixir at the same place runs on",
    allowed: "releases such as 27, one for each --elixir",
    schema: words.pipe(z.array(z.string().regex(/^\d{2,3}$/))),
    isRepeatable: true,
  },
  buildsUrl: {
    scope: "setting",
    default: "https://builds.hex.pm",
    decidesTrust: true,
    flag: "--builds-url <url>",
    help: "where installers are fetched from",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  buildsPublicKey: {
    scope: "setting",
    defaultText: "Mix's, built in",
    decidesTrust: true,
    flag: "--builds-public-key <file>",
    help: "the key that signs their lists, when it is not Mix's own",
    allowed: "a PEM file",
    schema: text,
    path: "given file",
  },
  trustProxy: {
    scope: "setting",
    decidesTrust: true,
    default: [],
    flag: "--trust-proxy <addresses>",
    help: "proxies in front of the server: whom they name as the client counts in the log and for its share of git",
    allowed: "addresses or ranges such as 10.0.0.0/8, separated by commas",
    schema: list.pipe(z.array(z.string().refine(isAddressRange))),
  },
  requireToken: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "open",
    flag: "--require-token <file>",
    help: "guard what may be private (organisations, git, files) with the tokens in this file, one a line; with a second --require-token all, everything",
    allowed: "a file with tokens; to guard everything, --require-token FILE --require-token all",
    schema: tokenFiles,
    resolvePaths: ({ everything, files }: TokenFiles, resolve) => ({ everything, files: files.map(resolve) }),
    isRepeatable: true,
  },
  metricsToken: {
    scope: "setting",
    decidesTrust: true,
    path: "file",
    defaultText: "as --require-token says",
    flag: "--metrics-token <file>",
    help: "who asks for /metrics needs a token of this file, one a line; those of --require-token open it, too",
    allowed: "a file with tokens",
    schema: text,
  },
  metricsPort: {
    scope: "setting",
    defaultText: "on the other ports",
    flag: "--metrics-port <number>",
    help: "serve /metrics on a port of its own, over HTTP, and nowhere else; 0 takes any free one",
    allowed: "a number from 0 to 65535",
    schema: port,
  },
  allowHosts: {
    scope: "setting",
    default: [],
    defaultText: "any",
    decidesTrust: true,
    flag: "--allow-hosts <names>",
    help: "git hosts that locks may name; one that is named here may also have a private address",
    allowed: "host names, separated by commas",
    schema: names,
  },
  allowOwners: {
    scope: "setting",
    default: [],
    defaultText: "any",
    decidesTrust: true,
    flag: "--allow-owners <names>",
    help: "owners whose git repositories locks may name",
    allowed: "OWNER or HOST/OWNER, separated by commas",
    schema: owners,
  },
  newUpstreamKey: {
    scope: "command",
    default: false,
    flag: "--new-upstream-key",
    help: "trust another upstream key than the mirror was made with, from now on",
    allowed: "true or false",
    schema: flag,
  },
  acceptChanged: {
    scope: "command",
    default: [],
    flag: "--accept-changed <name>",
    help: "take what upstream took back (NAME) or replaced (NAME@VERSION); may come several times",
    allowed: "NAME or NAME@VERSION, of another repository REPOSITORY/NAME…",
    schema: words.pipe(z.array(changed)),
    isRepeatable: true,
  },
  fromUpstream: {
    scope: "command",
    default: [],
    flag: "--from-upstream <name>",
    help: "give a name whose releases were adopted to upstream; may come several times, and * stands for anything",
    allowed: "package names, or patterns such as acme_*",
    schema: words.pipe(z.array(packagePattern)),
    isRepeatable: true,
  },
  into: {
    scope: "command",
    defaultText: ownRepository,
    flag: "--repo <name>",
    help: "the Hex repository of the mirror's own that it is put into",
    allowed: "a name",
    schema: text,
  },
  docsFile: {
    scope: "command",
    flag: "--docs <file>",
    help: "the package's documentation: a .tar.gz of the folder that ex_doc made",
    allowed: "a file",
    schema: text,
    path: "given file",
  },
  adopt: {
    scope: "command",
    default: [],
    flag: "--adopt <name@version>",
    help: "sign a release that no upstream record covers; may come several times",
    allowed: "NAME@VERSION, or REPOSITORY/NAME@VERSION",
    schema: words.pipe(z.array(release)),
    isRepeatable: true,
  },
  keepLocks: {
    scope: "command",
    defaultText: "all",
    flag: "--keep-locks <names>",
    help: "forget every other lock first; names separated by commas",
    allowed: "names of locks, separated by commas",
    schema: list,
  },
  unused: {
    scope: "command",
    defaultText: "whatever nothing wants goes",
    flag: "--unused <time>",
    help: "only what nobody has asked for in that time",
    allowed: "a time such as 90d or 12h",
    schema: seconds(0, 3650 * day),
  },
  tlsCert: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "of the local authority",
    flag: "--tls-cert <file>",
    help: "a certificate of your own, with its chain, instead of the local authority's",
    allowed: "a PEM file",
    schema: text,
    path: "given file",
  },
  tlsKey: {
    scope: "setting",
    decidesTrust: true,
    flag: "--tls-key <file>",
    help: "its key",
    allowed: "a PEM file",
    schema: text,
    path: "given file",
  },
  tlsCa: {
    scope: "setting",
    decidesTrust: true,
    flag: "--tls-ca <file>",
    help: "the authority that clients have to trust for it, when they do not yet",
    allowed: "a PEM file",
    schema: text,
    path: "given file",
  },
  archive: {
    scope: "command",
    default: false,
    flag: "--tar",
    help: "one file, which docker load takes, instead of a folder; so does a name that ends in .tar",
    allowed: "true or false",
    schema: flag,
  },
  oci: {
    scope: "command",
    default: false,
    flag: "--oci",
    help: "an OCI image layout, a folder: as without it",
    allowed: "true or false",
    schema: flag,
  },
  onto: {
    scope: "command",
    flag: "--onto <image>",
    help: "an earlier image of this mirror, whose layers stay: what has changed since becomes one more",
    allowed: "an OCI image layout, or a tar archive of one",
    schema: text,
    path: "file or folder",
  },
  base: {
    scope: "command",
    flag: "--base <image>",
    help: "mirror-server's own image, so that what comes of it serves the mirror",
    allowed: "an OCI image layout, or a tar archive of one",
    schema: text,
    path: "file or folder",
  },
  tag: {
    scope: "command",
    default: "mirror:latest",
    flag: "--tag <name:tag>",
    help: "what the image is called",
    allowed: "a name such as mirror:latest or registry.corp.example/mirror:2, or the part after the colon",
    schema: text.refine(isImageName),
  },
  sign: {
    scope: "command",
    flag: "--sign <file>",
    help: "sign the image's digest with this private key, into OUT.sig",
    allowed: "a PEM file: Ed25519, ECDSA or RSA",
    schema: text,
    path: "given file",
  },
  verifyKey: {
    scope: "command",
    flag: "--key <file>",
    help: "take only an image that the owner of this public key has signed; its signature lies in IMAGE.sig",
    allowed: "a PEM file",
    schema: text,
    path: "given file",
  },
  withPrivate: {
    scope: "command",
    default: false,
    flag: "--with-private",
    help: "also organisations, other Hex repositories and the mirror's own, and git repositories that were fetched with a login",
    allowed: "true or false",
    schema: flag,
  },
  to: {
    scope: "command",
    flag: "--to <url>",
    help: "the bucket, and what its keys begin with",
    allowed: "s3://BUCKET or s3://BUCKET/PREFIX",
    schema: bucket,
  },
  endpoint: {
    scope: "command",
    defaultText: "AWS_ENDPOINT_URL, else Amazon's own",
    flag: "--endpoint <url>",
    help: "where the store is",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  region: {
    scope: "command",
    defaultText: "AWS_REGION, else us-east-1",
    flag: "--region <name>",
    help: "the bucket's region",
    allowed: "a name such as eu-central-1",
    schema: z.string().regex(/^[a-z0-9-]+$/),
  },
  pruneBucket: {
    scope: "command",
    default: false,
    flag: "--prune",
    help: "remove there what this mirror does not hold, last; without it nothing is ever removed",
    allowed: "true or false",
    schema: flag,
  },
  forgetCaKey: {
    scope: "command",
    default: false,
    flag: "--forget-ca-key",
    help: "delete the local authority's key after it has signed the server certificate",
    allowed: "true or false",
    schema: flag,
  },
  newCa: {
    scope: "command",
    default: false,
    flag: "--new-ca",
    help: "make a new local authority, which every client has to trust anew",
    allowed: "true or false",
    schema: flag,
  },
  url: {
    scope: "setting",
    decidesTrust: true,
    defaultText: "this machine",
    flag: "--url <url>",
    help: "where clients reach the mirror, when not on this machine",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  format: {
    scope: "setting",
    default: "sh",
    flag: "--format <format>",
    help: `${oneOf(formats)}; container and gitlab hold no path of this machine`,
    allowed: oneOf(formats),
    choices: formats,
    schema: z.enum(formats),
  },
  revert: {
    scope: "command",
    default: false,
    flag: "--revert",
    help: "print what takes it back",
    allowed: "true or false",
    schema: flag,
  },
  ifChanged: {
    scope: "command",
    default: false,
    flag: "--if-changed",
    help: "do nothing, at once and silently, when all that the locks name is here",
    allowed: "true or false",
    schema: flag,
  },
  redraw: {
    scope: "command",
    default: false,
    flag: "--watch",
    help: "look again every two seconds, until Ctrl-C",
    allowed: "true or false",
    schema: flag,
  },
  compose: {
    scope: "command",
    default: false,
    flag: "--compose",
    help: "write a compose override file and an entrypoint too",
    allowed: "true or false",
    schema: flag,
  },
  service: {
    scope: "command",
    defaultText: "the only one, or app",
    flag: "--service <name>",
    help: "what the app is called in the compose file",
    allowed: "letters, digits, ., _ and -",
    schema: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  },
  commit: {
    scope: "command",
    default: false,
    flag: "--commit",
    help: "set the mirror's folder up to be committed to git",
    allowed: "true or false",
    schema: flag,
  },
  deep: {
    scope: "command",
    default: false,
    flag: "--deep",
    help: "hash everything that is held, and put what is damaged into quarantine",
    allowed: "true or false",
    schema: flag,
  },
} as const satisfies Record<string, Option>;

/** `10.1.2.3`, `10.0.0.0/8`, `fd00::/8` */
function isAddressRange(value: string): boolean {
  const [address = "", bits, ...rest] = value.split("/");
  const family = isIP(address);
  const isBits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
  return family !== 0 && isBits && rest.length === 0;
}

/** `1GiB`, `500MB` or plain bytes. */
function bytesOf(value: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(value.trim()) ?? [];
  const power = "kmgt".indexOf(unit.charAt(0).toLowerCase() || "-") + 1;
  return digits === "" ? Number.NaN : Math.floor(Number(digits) * (/i$/i.test(unit) ? 1024 : 1000) ** power);
}

/** `90s`, `10m`, `2h`, `90d` or plain seconds. */
function secondsOf(value: string): number {
  const [, digits = "", unit = "s"] = /^(\d+(?:\.\d+)?)\s*([smhd]?)$/i.exec(value.trim()) ?? [];
  const unitSeconds = { s: 1, m: 60, h: 3600, d: day }[unit.toLowerCase() || "s"] ?? 1;
  return digits === "" ? Number.NaN : Number(digits) * unitSeconds;
}

function isVersionOrNone(version: string | undefined): boolean {
  return version === undefined || isVersion(version);
}

export type OptionKey = keyof typeof options;

type Value<K extends OptionKey> = z.output<(typeof options)[K]["schema"]>;

/** Every option by its key; undefined where nothing was said and nothing holds instead. */
export type Settings = {
  readonly [K in OptionKey]: (typeof options)[K] extends { readonly default: unknown }
    ? Value<K>
    : Value<K> | undefined;
};

/** `hexDir` → `MIRROR_HEX_DIR`; the mirror's own folder is `MIRROR_DIR`. */
export function variableOf(key: OptionKey): string {
  return key === "mirror" ? "MIRROR_DIR" : `MIRROR_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `--no-tls` → `--no-tls`, `--hex-dir <dir>` → `--hex-dir`, `-q, --quiet` → `--quiet` */
export function flagName({ flag = "" }: Option): string {
  return flag.split(" ").find((word) => word.startsWith("--")) ?? "";
}

/** What people are told of the default; undefined where there is nothing to tell. */
export function shownDefault(option: Option): string | undefined {
  if (option.defaultText !== undefined) return option.defaultText;
  const { default: value } = option;
  return typeof value === "string" || typeof value === "number" ? `${value}` : undefined;
}
