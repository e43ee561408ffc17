/**
 * The table of options: for each its flag, what help says of it, the values allowed. The keys are those of
 * mirror.config.json; `hexDir` is `--hex-dir`, and `MIRROR_HEX_DIR` in the environment (`mirror`: `MIRROR_DIR`).
 */
import { isIP } from "node:net";
import { resolve } from "node:path";
import { z } from "zod";
import { maxUrlLength } from "./git/url.ts";
import { isPackageName, isRepositoryName, isVersion } from "./hex/names.ts";
import { trimEnd } from "./text.ts";

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
const httpUrl = z
  .url({ protocol: /^https?$/ })
  // They would be shown in every error.
  .refine((url) => URL.canParse(url) && new URL(url).username === "" && new URL(url).password === "")
  .refine((url) => url.length <= maxUrlLength)
  .transform((url) => trimEnd(url, "/"));

const repository = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]*=https?:\/\/[^\s,@]+(?:,.+)?$/)
  .transform((value) => {
    const [, name = "", url = "", publicKeyFile] = /^([^=]+)=([^,]+?)\/*(?:,(.+))?$/.exec(value) ?? [];
    return { name, url, publicKeyFile };
  });
const release = z
  .string()
  .regex(/^(?:[a-z0-9_:-]+\/)?[a-zA-Z0-9_]+@\S+$/)
  .transform((value) => {
    const [, repositoryName = "hexpm", name = "", version = ""] = /^(?:(.+)\/)?([^/@]+)@(.+)$/.exec(value) ?? [];
    return { repository: repositoryName, name, version };
  })
  .refine((named) => isRepositoryName(named.repository) && isPackageName(named.name) && isVersion(named.version));
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

export type FileSource = z.infer<typeof fileSource>;
export type NamedRepository = z.infer<typeof repository>;
export type NamedRelease = z.infer<typeof release>;

export interface Option {
  /** As commander wants it; `--no-…` gives false. undefined: in the configuration file only. */
  readonly flag?: string;
  readonly help: string;
  /** Said in the error after a bad value. */
  readonly allowed: string;
  readonly schema: z.ZodType;
  /** Relative paths count from the working folder, or from the configuration file that holds them. */
  readonly isPath?: true;
  /** Likewise for paths within the value. */
  readonly resolvePaths?: (value: never, base: string) => unknown;
  /** The flag may come several times, and gives a list. */
  readonly isRepeatable?: true;
}

export const options = {
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
  host: {
    flag: "--host <address>",
    help: "address that the server listens on",
    allowed: "a host name or address",
    schema: text,
  },
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
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  hexPublicKey: {
    flag: "--hex-public-key <file>",
    help: "public key of the Hex registry that is mirrored, when it is not hex.pm's",
    allowed: "a PEM file",
    schema: text,
    isPath: true,
  },
  concurrency: {
    flag: "--concurrency <number>",
    help: "how much is fetched at once",
    allowed: "a number from 1 to 64",
    schema: whole(1, 64),
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
    schema: whole(1, 256),
  },
  repos: {
    flag: "--repo <name=url,keyfile>",
    help: "another Hex repository that locks name; may come several times",
    allowed: "NAME=URL,KEYFILE",
    schema: words.pipe(z.array(repository)),
    resolvePaths: (repositories: NamedRepository[], base) =>
      repositories.map(({ publicKeyFile, ...named }) => ({
        ...named,
        publicKeyFile: publicKeyFile === undefined ? undefined : resolve(base, publicKeyFile),
      })),
    isRepeatable: true,
  },
  packages: {
    flag: "--package <name@version>",
    help: "a package that no lock names, such as a plugin; may come several times",
    allowed: "NAME@VERSION, or REPOSITORY/NAME@VERSION",
    schema: words.pipe(z.array(release)),
    isRepeatable: true,
  },
  files: {
    help: "other files to mirror",
    allowed: 'a list of {"url", "sha256"} with lists for what stands in braces in the URL; see docs/files.md',
    schema: z.array(fileSource),
  },
  docs: {
    flag: "--docs",
    help: "the documentation of each release too, for mix hex.docs",
    allowed: "true or false",
    schema: flag,
  },
  installers: {
    flag: "--installers",
    help: "what mix local.hex and mix local.rebar download too",
    allowed: "true or false",
    schema: flag,
  },
  elixir: {
    flag: "--elixir <version>",
    help: "only installers for this Elixir; may come several times",
    allowed: "versions such as 1.17.3",
    schema: words.pipe(z.array(z.string().regex(/^\d+\.\d+(?:\.\d+)?$/))),
    isRepeatable: true,
  },
  otp: {
    flag: "--otp <release>",
    help: "the Erlang/OTP release that the --elixir at the same place runs on",
    allowed: "releases such as 27, one for each --elixir",
    schema: words.pipe(z.array(z.string().regex(/^\d{2,3}$/))),
    isRepeatable: true,
  },
  buildsUrl: {
    flag: "--builds-url <url>",
    help: "where installers are fetched from",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  buildsPublicKey: {
    flag: "--builds-public-key <file>",
    help: "the key that signs their lists, when it is not Mix's own",
    allowed: "a PEM file",
    schema: text,
    isPath: true,
  },
  trustProxy: {
    flag: "--trust-proxy <addresses>",
    help: "proxies in front of the server: whom they name as the client counts in the log and for its share of git",
    allowed: "addresses or ranges such as 10.0.0.0/8, separated by commas",
    schema: list.pipe(z.array(z.string().refine(isAddressRange))),
  },
  requireToken: {
    flag: "--require-token <file>",
    help: "guard /repos/… with the tokens in this file, one a line; clients send the first",
    allowed: "a file",
    schema: text,
    isPath: true,
  },
  keepLocks: {
    flag: "--keep-locks <names>",
    help: "forget every other lock first; names separated by commas",
    allowed: "names of locks, separated by commas",
    schema: list,
  },
  tlsCert: {
    flag: "--tls-cert <file>",
    help: "a certificate of your own, with its chain, instead of the local authority's",
    allowed: "a PEM file",
    schema: text,
    isPath: true,
  },
  tlsKey: { flag: "--tls-key <file>", help: "its key", allowed: "a PEM file", schema: text, isPath: true },
  tlsCa: {
    flag: "--tls-ca <file>",
    help: "the authority that clients have to trust for it, when they do not yet",
    allowed: "a PEM file",
    schema: text,
    isPath: true,
  },
  forgetCaKey: {
    flag: "--forget-ca-key",
    help: "delete the local authority's key after it has signed the server certificate",
    allowed: "true or false",
    schema: flag,
  },
  newCa: {
    flag: "--new-ca",
    help: "make a new local authority, which every client has to trust anew",
    allowed: "true or false",
    schema: flag,
  },
  url: {
    flag: "--url <url>",
    help: "where clients reach the mirror, when not on this machine",
    allowed: "an http or https URL, without credentials",
    schema: httpUrl,
  },
  format: {
    flag: "--format <format>",
    help: "sh, docker, github-actions or json",
    allowed: "sh, docker, github-actions or json",
    schema: z.enum(["sh", "docker", "github-actions", "json"]),
  },
  revert: {
    flag: "--revert",
    help: "print what takes it back",
    allowed: "true or false",
    schema: flag,
  },
  ifChanged: {
    flag: "--if-changed",
    help: "do nothing, at once and silently, when all that the locks name is here",
    allowed: "true or false",
    schema: flag,
  },
  compose: {
    flag: "--compose",
    help: "write a compose override file and an entrypoint too",
    allowed: "true or false",
    schema: flag,
  },
  service: {
    flag: "--service <name>",
    help: "what the app is called in the compose file",
    allowed: "letters, digits, ., _ and -",
    schema: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  },
  commit: {
    flag: "--commit",
    help: "set the mirror's folder up to be committed to git",
    allowed: "true or false",
    schema: flag,
  },
  deep: {
    flag: "--deep",
    help: "hash everything that is held, and move aside what is damaged",
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

export type OptionKey = keyof typeof options;
