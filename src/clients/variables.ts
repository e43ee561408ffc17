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
 *   git       a rule for every mirrored host and every form of its URLs, where git reads it first (git-rules.ts)
 *
 * What of the user's does not count meanwhile is in treatments.ts.
 */
import { gitConfigVariables } from "../git/config-variables.ts";
import { hexRegistryHost } from "../names/known-hosts.ts";
import { isSslVerify, switchesIn } from "../verification.ts";
import { isOurSetting, type GitSetting } from "./git-rules.ts";
import { proxyVariables, upperProxy, type ProxySetup } from "./proxy-variables.ts";
import { neutralisedVariables } from "./treatments.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ClientSetup extends ProxySetup {
  /** Folders that clients may write to, made for this. */
  readonly hexHome: string;
  readonly rebarHome: string;
  readonly rebarCache: string;
  /** Whether the URL stands in Hex's file already, for more repositories than hexpm. */
  readonly hasUrlInFiles: boolean;
  /** What Hex sends to a mirror that is guarded, a file; undefined: it is not. */
  readonly netrc: string | undefined;
  /** The system's authorities and the mirror's, PEM; undefined where the mirror has none. */
  readonly caBundle: string | undefined;
  /** The mirror's authority alone, for clients that add to their own. */
  readonly ca: string | undefined;
  /** What git reads first of all, a file. */
  readonly gitSystem: string;
  /** Where curl and wget find configurations that say nothing: those of the user's may name a proxy. */
  readonly quietHome: string;
  /** The same by number, for git that knows no such file, and what is to be read last of all. */
  readonly gitSettings: readonly GitSetting[];
  /** Where those who download while they compile look first, by the variable that says so. */
  readonly caches: Readonly<Record<string, string>>;
  /** `local/team`: what Hex is held to; undefined: whatever the project and the user say. */
  readonly policy: string | undefined;
  /** Settings of the user's git that turn verification off: `http.sslVerify`, `http.https://host/.sslVerify`. */
  readonly gitUnverified: readonly string[];
}

/** Of what says itself that clients are pointed at a mirror. */
const prefix = "MIRROR_SERVER_";
const active = `${prefix}ACTIVE`;
const saved = `${prefix}SAVED_`;
/** The names that were set, for whoever takes them back, or sets them for another mirror. */
const setNames = `${prefix}NAMES`;

/** @param present the environment that they are added to: its own rules for git, and hosts without proxy, stay */
export function clientVariables(setup: ClientSetup, present: Environment): Record<string, string> {
  const { url, hexHome, rebarHome, hasUrlInFiles, caBundle, ca } = setup;
  const plain: Record<string, string> = {
    HEX_HOME: hexHome,
    ...(hasUrlInFiles ? {} : { HEX_MIRROR: url, HEX_TRUSTED_MIRROR: url }),
    ...(setup.netrc === undefined ? {} : { NETRC: setup.netrc }),
    HEX_BUILDS_URL: url,
    HEX_API_URL: `${url}/api`,
    // A project may ask for these as well.
    ...(setup.policy === undefined ? {} : { HEX_POLICY: setup.policy }),
    ...setup.caches,
    HEX_OFFLINE: "0",
    HEX_UNSAFE_REGISTRY: "0",
    HEX_NO_VERIFY_REPO_ORIGIN: "0",
    HEX_CDN: url,
    REBAR_GLOBAL_CONFIG_DIR: rebarHome,
    REBAR_CACHE_DIR: setup.rebarCache,
    GIT_CONFIG_SYSTEM: setup.gitSystem,
    ...(present["GIT_CONFIG_NOSYSTEM"] === undefined ? {} : { GIT_CONFIG_NOSYSTEM: "0" }),
    ...allowedProtocols(setup, present),
    ...(caBundle === undefined
      ? {}
      : { HEX_CACERTS_PATH: caBundle, GIT_SSL_CAINFO: caBundle, CURL_CA_BUNDLE: caBundle }),
    ...(ca === undefined ? {} : { NODE_EXTRA_CA_CERTS: ca }),
    ...proxyVariables(setup, usersEnvironment(present)),
    ...(setup.proxy?.isRefusing === true ? { CURL_HOME: setup.quietHome, WGETRC: `${setup.quietHome}/wgetrc` } : {}),
    ...(setup.proxy === undefined || caBundle === undefined ? {} : trustOfOthers(caBundle, present)),
  };
  const added = upperProxy(url, present);
  const numbered = gitConfigVariables({}, [
    ...foreignGitConfig(present, present[active] ?? url),
    ...setup.gitSettings,
    ...setup.gitUnverified.map((key) => [key, verified] as const),
  ]);
  return {
    ...plain,
    ...savedValues(affected(plain, present), present),
    [active]: url,
    [setNames]: [...new Set([...namesSet(present), ...Object.keys(plain), ...added])].join(","),
    // What stands there already need not be said again, and may be a secret.
    ...Object.fromEntries(Object.entries(numbered).filter(([name, value]) => present[name] !== value)),
  };
}

/**
 * What whoever asks other hosts by TLS takes for its authorities: OpenSSL and Python, requests, pip, cargo; and Erlang, which knows
 * the system's alone unless it is told at its start.
 */
function trustOfOthers(bundle: string, present: Environment): Record<string, string> {
  const flags = usersEnvironment(present)["ERL_AFLAGS"];
  const load = `-eval 'catch(public_key:cacerts_load("${bundle.replace(/["\\]/g, "\\$&")}"))'`;
  return {
    SSL_CERT_FILE: bundle,
    REQUESTS_CA_BUNDLE: bundle,
    PIP_CERT: bundle,
    CARGO_HTTP_CAINFO: bundle,
    // A quote would end what Erlang reads as one flag.
    ...(bundle.includes("'") ? {} : { ERL_AFLAGS: flags === undefined ? load : `${flags} ${load}` }),
  };
}

/** Names whose values of before are kept, so that they can be put back. @param set what is set instead */
function affected(set: Environment, present: Environment): string[] {
  const all = new Set([...Object.keys(set), ...neutralisedVariables, ...switchesIn(present)]);
  const ours = namesSet(present);
  return [...all].filter((name) => present[name] !== undefined && !ours.includes(name) && !name.startsWith(prefix));
}

/** What must not be set while clients are pointed at the mirror. @param set what is */
function variablesInTheWay(present: Environment, set: Environment): string[] {
  const all = new Set([...neutralisedVariables, ...switchesIn(present)]);
  return [...all].filter((name) => present[name] !== undefined && set[name] === undefined);
}

/** Keys, proxies and URLs with a login are never printed: a shell can keep them by itself, other formats forget them. */
function isShown(name: string, value = ""): boolean {
  return !name.endsWith("_KEY") && !/(?:^|_)(?:https?|all)_proxy$/.test(name) && !/:\/\/[^/\s@]*@/.test(value);
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
  const hidden = affected(set, present).filter((name) => !isShown(name, present[name]));
  const kept = hidden.map((name) => ({ from: name, to: `${saved}${name}` }));
  const url = set[active] ?? "";
  const proxies = upperProxy(url, present).map((to) => ({ from: to.toLowerCase(), to }));
  return { set, unset: variablesInTheWay(present, set), moved: [...kept, ...proxies] };
}

/** @returns what a command that is started with the change gets; what is a key for others goes nowhere */
export function environmentWith({ set, unset, moved }: Change, present: Environment): Record<string, string> {
  const passed = moved.filter(({ from }) => !from.endsWith("_KEY")).map(({ from, to }) => [to, present[from]] as const);
  const kept = Object.entries(present).filter(([name]) => !unset.includes(name));
  const all = [...kept, ...passed, ...Object.entries(set)];
  return Object.fromEntries(all.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** What takes them back, given the environment that they were added to: names to unset, values to be as before. */
export function revertedVariables(present: Environment): Change {
  const url = present[active];
  if (url === undefined) return { unset: [], set: {}, moved: [] };
  const kept = Object.keys(present).filter((name) => name.startsWith(saved));
  const nameOf = (name: string) => name.slice(saved.length);
  const isPrinted = (name: string) => isShown(nameOf(name), present[name]);
  const moved = kept.filter((name) => !isPrinted(name)).map((name) => ({ from: name, to: nameOf(name) }));
  const before = kept.filter(isPrinted).map((name) => [name, present[name]] as const);
  const set = {
    ...Object.fromEntries(before.map(([name, value]) => [nameOf(name), value ?? ""])),
    ...gitConfigVariables({}, foreignGitConfig(present, url)),
  };
  const isBack = new Set([...Object.keys(set), ...moved.map(({ to }) => to)]);
  const added = [active, setNames, ...namesSet(present), ...kept];
  const unset = [...added, ...Object.keys(present).filter(isGitConfig)].filter((name) => !isBack.has(name));
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
  const entries = [
    ...Object.entries(present).filter(([name, value]) => name.startsWith(saved) && isShown(name, value)),
    ...names.filter((name) => isShown(name, present[name])).map((name) => [`${saved}${name}`, present[name]] as const),
  ];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function namesSet(present: Environment): string[] {
  return (present[setNames] ?? "").split(",").filter((name) => name !== "");
}

/** What the environment told git before; our own rules of an earlier time are not repeated. */
function foreignGitConfig(present: Environment, url: string): (readonly [string, string])[] {
  const count = Number(present["GIT_CONFIG_COUNT"] ?? 0);
  const indexes = Array.from({ length: Number.isInteger(count) && count > 0 ? count : 0 }, (_, index) => index);
  return indexes
    .map((index) => [present[`GIT_CONFIG_KEY_${index}`] ?? "", present[`GIT_CONFIG_VALUE_${index}`] ?? ""] as const)
    .filter(([key, value]) => key !== "" && !isOurs(key, value, url));
}

/**
 * For containers, without a path of this machine: Hex and rebar3 get upstream's records as upstream signed them, which they
 * can check without any file.
 */
export function containerVariables(url: string, git: readonly GitSetting[]): Record<string, string> {
  const { hostname } = new URL(url);
  const upstream = `${url}/${hexRegistryHost}`;
  return {
    HEX_MIRROR: upstream,
    HEX_TRUSTED_MIRROR: upstream,
    HEX_CDN: upstream,
    HEX_BUILDS_URL: url,
    HEX_API_URL: `${url}/api`,
    HEX_OFFLINE: "0",
    ...gitConfigVariables({}, git),
    NO_PROXY: hostname,
    no_proxy: hostname,
  };
}

// As git reads it, and as nobody else writes it: so that it is known for ours.
const verified = "True";

function isOurs(key: string, value: string, url: string): boolean {
  return (value === verified && isSslVerify(key)) || isOurSetting(key, value, url);
}

function isGitConfig(name: string): boolean {
  return /^GIT_CONFIG_(?:COUNT|KEY_\d+|VALUE_\d+)$/.test(name);
}

/** Git goes by no other way than these, where there is such a list. */
function allowedProtocols({ url, proxy }: ClientSetup, present: Environment): Record<string, string> {
  const own = new URL(url).protocol.slice(0, -1);
  // What lies on this machine is no way out.
  if (proxy?.isRefusing === true) return { GIT_ALLOW_PROTOCOL: `${own}:file` };
  const allowed = usersEnvironment(present)["GIT_ALLOW_PROTOCOL"]?.split(":");
  return allowed === undefined ? {} : { GIT_ALLOW_PROTOCOL: [...new Set([...allowed, own])].join(":") };
}
