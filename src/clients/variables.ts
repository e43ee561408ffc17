/**
 * The environment that points every client at a mirror, and nothing else: no file of the user or the project changes.
 * Pure.
 *
 *   Hex       a HEX_HOME of its own with the mirror's key, and HEX_MIRROR for its URL, where it does not have to stand
 *             in that home for other reasons
 *   Mix       HEX_BUILDS_URL, or HEX_MIRROR before Elixir 1.15, for local.hex and local.rebar: these go online where
 *             neither is set
 *   rebar3    a global configuration of its own, and HEX_CDN, since it takes the URL of hexpm from nowhere else. From
 *             3.28 on it takes HEX_MIRROR too, for every repository, and then checks no signature at all, unless
 *             HEX_TRUSTED_MIRROR says the same. That would make clients send what keys they have, so these go
 *   git       a rule for every mirrored host and every form of its URLs
 */
import { gitConfigVariables } from "../git/config-variables.ts";
import { singleQuoted } from "../text.ts";
import { isSslVerify, switchesIn, verificationSwitches } from "../verification.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ClientSetup {
  /** Where the mirror is reached, without a slash at the end. */
  readonly url: string;
  /** Hosts whose repositories are mirrored. */
  readonly gitHosts: readonly string[];
  /** How locks begin URLs of such hosts otherwise than everybody does: `ssh://git@git.example.org:2222/`. */
  readonly gitPrefixes: readonly { readonly prefix: string; readonly host: string }[];
  /** Folders that clients may write to, made for this. */
  readonly hexHome: string;
  readonly rebarHome: string;
  /** Whether the URL stands in their files already, for more repositories than hexpm. */
  readonly hasUrlInFiles: boolean;
  /** The system's authorities and the mirror's, PEM; undefined where the mirror has none. */
  readonly caBundle: string | undefined;
  /** The mirror's authority alone, for clients that add to their own. */
  readonly ca: string | undefined;
  /** A file with what git sends to a mirror that is guarded; undefined: nothing. */
  readonly gitCredentials: string | undefined;
  /** Settings of the user's git that turn verification off: `http.sslVerify`, `http.https://host/.sslVerify`. */
  readonly gitUnverified: readonly string[];
}

const active = "MIRROR_SERVER_ACTIVE";
const saved = "MIRROR_SERVER_SAVED_";
/** The names that were set, for whoever takes them back, or sets them for another mirror. */
const setNames = "MIRROR_SERVER_NAMES";

/** @param present the environment that they are added to: its own rules for git, and hosts without proxy, stay */
export function clientVariables(setup: ClientSetup, present: Environment): Record<string, string> {
  const { url, hexHome, rebarHome, hasUrlInFiles, caBundle, ca } = setup;
  const plain: Record<string, string> = {
    HEX_HOME: hexHome,
    ...(hasUrlInFiles ? {} : { HEX_MIRROR: url, HEX_TRUSTED_MIRROR: url }),
    HEX_BUILDS_URL: url,
    HEX_API_URL: `${url}/api`,
    HEX_CDN: url,
    REBAR_GLOBAL_CONFIG_DIR: rebarHome,
    REBAR_CACHE_DIR: `${rebarHome}/cache`,
    ...(caBundle === undefined
      ? {}
      : { HEX_CACERTS_PATH: caBundle, GIT_SSL_CAINFO: caBundle, CURL_CA_BUNDLE: caBundle }),
    ...(ca === undefined ? {} : { NODE_EXTRA_CA_CERTS: ca }),
  };
  return {
    ...plain,
    ...savedValues(
      [...new Set([...Object.keys(plain), ...inTheWay, ...switchesIn(present)])].filter((name) => !isSecret(name)),
      present,
    ),
    [active]: url,
    [setNames]: [...new Set([...namesSet(present), ...Object.keys(plain)])].join(","),
    ...gitConfigVariables({}, [
      ...foreignGitConfig(present, present[active] ?? url),
      ...gitRules(setup),
      ...gitLogin(setup),
      ...setup.gitUnverified.map((key) => [key, verified] as const),
    ]),
    ...withoutProxy(url, present),
  };
}

// Keys for hex.pm, and other names of what we set, which would win.
const inTheWay = [
  ...verificationSwitches,
  "HEX_API_KEY",
  "HEX_REPOS_KEY",
  "HEX_MIRROR",
  "HEX_MIRROR_URL",
  "HEX_TRUSTED_MIRROR",
  "HEX_TRUSTED_MIRROR_URL",
];

/** What must not be set while clients are pointed at a mirror. @param set what is */
function variablesInTheWay(present: Environment, set: Environment): string[] {
  const switches = switchesIn(present).filter((name) => !inTheWay.includes(name));
  return [...inTheWay, ...switches].filter((name) => present[name] !== undefined && set[name] === undefined);
}

/** Their values are never printed: a shell can keep them by itself, other formats forget them. */
function isSecret(name: string): boolean {
  return name.endsWith("_KEY");
}

export interface Change {
  readonly set: Readonly<Record<string, string>>;
  /** Names that shall not be set any more. */
  readonly unset: readonly string[];
  /** From one name to another, whatever the value is; before the first is unset. */
  readonly moved: readonly { readonly from: string; readonly to: string }[];
}

/** @param set what points at the mirror */
export function changeTo(set: Readonly<Record<string, string>>, present: Environment): Change {
  const unset = variablesInTheWay(present, set);
  return { set, unset, moved: unset.filter(isSecret).map((name) => ({ from: name, to: `${saved}${name}` })) };
}

/** What takes them back, given the environment that they were added to: names to unset, values to be as before. */
export function revertedVariables(present: Environment): Change {
  const url = present[active];
  if (url === undefined) return { unset: [], set: {}, moved: [] };
  const kept = Object.keys(present).filter((name) => name.startsWith(saved));
  const moved = kept.filter(isSecret).map((name) => ({ from: name, to: name.slice(saved.length) }));
  const before = Object.entries(present).filter(([name]) => name.startsWith(saved) && !isSecret(name));
  const set = {
    ...Object.fromEntries(before.map(([name, value]) => [name.slice(saved.length), value ?? ""])),
    ...gitConfigVariables({}, foreignGitConfig(present, url)),
  };
  const added = [active, setNames, ...namesSet(present), ...kept];
  // Hosts without proxy may have been there before, and do no harm.
  const unset = [...added, ...Object.keys(present).filter(isGitConfig)].filter((name) => !(name in set));
  return { unset: [...new Set(unset)].filter((name) => name in present).sort(), set, moved };
}

/** The environment as the user has it, where this runs inside of one that points at a mirror. */
export function usersEnvironment(present: Environment): Environment {
  const { unset, set, moved } = revertedVariables(present);
  const kept = Object.entries(present).filter(([name]) => !unset.includes(name));
  return {
    ...Object.fromEntries(kept),
    ...set,
    ...Object.fromEntries(moved.map(({ from, to }) => [to, present[from]])),
  };
}

/** What a variable said before, under another name, so that it can be put back. */
function savedValues(names: readonly string[], present: Environment): Record<string, string> {
  const ours = namesSet(present);
  const entries = [
    ...Object.entries(present).filter(([name]) => name.startsWith(saved) && !isSecret(name)),
    ...names.filter((name) => !ours.includes(name)).map((name) => [`${saved}${name}`, present[name]] as const),
  ];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function namesSet(present: Environment): string[] {
  return (present[setNames] ?? "").split(",").filter((name) => name !== "");
}

/** Every form in which a lock may write a URL of that host; the longest match wins in git, so each is whole. */
function gitRules({ url, gitHosts, gitPrefixes }: ClientSetup): (readonly [string, string])[] {
  const usual = gitHosts.flatMap((host) =>
    [
      `https://${host}/`,
      `http://${host}/`,
      `git://${host}/`,
      `ssh://git@${host}/`,
      `ssh://${host}/`,
      `git+ssh://git@${host}/`,
      `git@${host}:`,
    ].map((prefix) => ({ prefix, host })),
  );
  const rules = new Map([...usual, ...gitPrefixes].map(({ prefix, host }) => [prefix, host]));
  return [...rules].map(([prefix, host]) => [`url.${url}/${host}/.insteadOf`, prefix] as const);
}

/** The mirror's own helper and no other, so that none of the user's comes to keep its token. */
function gitLogin({ url, gitCredentials }: ClientSetup): (readonly [string, string])[] {
  if (gitCredentials === undefined) return [];
  const helper = `store --file ${singleQuoted(gitCredentials)}`;
  return [
    [`credential.${url}.helper`, ""],
    [`credential.${url}.helper`, helper],
  ];
}

/** What the environment told git before; our own rules of an earlier time are not repeated. */
function foreignGitConfig(present: Environment, url: string): (readonly [string, string])[] {
  const count = Number(present["GIT_CONFIG_COUNT"] ?? 0);
  const indexes = Array.from({ length: Number.isInteger(count) && count > 0 ? count : 0 }, (_, index) => index);
  return indexes
    .map((index) => [present[`GIT_CONFIG_KEY_${index}`] ?? "", present[`GIT_CONFIG_VALUE_${index}`] ?? ""] as const)
    .filter(([key, value]) => key !== "" && !isOurs(key, value, url));
}

// As git reads it, and as nobody else writes it: so that it is known for ours.
const verified = "True";

function isOurs(key: string, value: string, url: string): boolean {
  const isVerification = value === verified && isSslVerify(key);
  return isVerification || [`url.${url}/`, `credential.${url}.`].some((start) => key.startsWith(start));
}

function isGitConfig(name: string): boolean {
  return /^GIT_CONFIG_(?:COUNT|KEY_\d+|VALUE_\d+)$/.test(name);
}

/** A proxy cannot reach this machine's own addresses, and need not be asked for the mirror's. */
function withoutProxy(url: string, present: Environment): Record<string, string> {
  const { hostname } = new URL(url);
  const set = Object.fromEntries(
    ["NO_PROXY", "no_proxy"].map((name) => {
      const hosts = (present[name] ?? "").split(",").map((host) => host.trim());
      return [name, [...new Set([...hosts, hostname])].filter((host) => host !== "").join(",")];
    }),
  );
  const hasProxy = Object.keys(present).some((name) => /^(?:https?|all)_proxy$/i.test(name) && present[name]);
  return hasProxy ? set : {};
}
