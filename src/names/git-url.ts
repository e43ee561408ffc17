/**
 * Git URLs as locks write them → where to fetch from, and the host and path that clients will ask the mirror for.
 * What comes out is safe in a path, a child's argument and a URL.
 */
import { forges } from "./known-hosts.ts";
import { isIPv6 } from "node:net";
import { MirrorError } from "../errors.ts";
import { trimEnd } from "../text.ts";

export interface GitSource {
  /** Lower case, without port: clients' requests are told apart by host name only. */
  readonly host: string;
  /** `owner/repo` or deeper, without `.git`. */
  readonly path: string;
  /** What git is asked to fetch; may hold credentials. */
  readonly fetchUrl: string;
}

/** What is longer is no URL, and is not looked at by any pattern. */
export const maxUrlLength = 2048;

const scheme =
  /^(https?|git|ssh|git\+ssh):\/\/(?:[^/@\s?#\\]*@)?(\[[0-9a-f:.]+\]|[^/:@\s?#\\[\]]+)(?::(\d{1,5}))?\/+([^\s?#\\]+)$/i;
const scpLike = /^(?:[^/@:\s?#\\]+@)?([^/:@\s?#\\[\]]+):(?!\/\/)\/*([^\s?#\\]+)$/;
const hostName = /^(?!-)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?<!-)$/;
const pathSegment = /^(?![-.])[A-Za-z0-9._~+@-]+$/;
// Such as `.github`: a repository may be called by any of these characters, but for what means a folder itself.
const repositoryName = /^(?!\.{1,2}$)[A-Za-z0-9._~+@-]+$/;

/** Lower case; an IPv6 address without brackets. */
export function isHostName(host: string): boolean {
  return hostName.test(host) || isIPv6(host);
}

/**
 * @param allowLocal whether a path on this machine, plain or as file://, may be mirrored; as of the host `localhost`
 * @throws MirrorError `refused` saying what is wrong with the URL
 */
export function parseGitUrl(url: string, allowLocal = false): GitSource {
  if (url.length > maxUrlLength) {
    const start = redactUrl(url.slice(0, 80));
    throw new MirrorError("refused", `git URL ${JSON.stringify(start)}…: it is longer than ${maxUrlLength} characters`);
  }
  const refuse = (why: string) => new MirrorError("refused", `git URL ${JSON.stringify(redactUrl(url))}: ${why}`);
  if (url.startsWith("-") || /[\0-\x20\x7f]/.test(url)) throw refuse("it holds characters that no URL has");
  if (/^file:/i.test(url) || /^[./~\\]/.test(url) || /^[a-z]:[\\/]/i.test(url)) {
    const path =
      url.startsWith("/") || /^file:\/\/\//i.test(url) ? normalisePath(url.replace(/^file:\/\//i, "")) : undefined;
    if (!allowLocal) throw refuse("it is a path on this machine; --allow-local-git allows that");
    if (path === undefined) throw refuse("only absolute paths without special characters can be mirrored");
    return { host: "localhost", path, fetchUrl: url };
  }
  if (/^[a-z0-9]+::/i.test(url)) throw refuse("remote helpers are not allowed");

  const full = scheme.exec(url);
  const short = full === null ? scpLike.exec(url) : null;
  const host = (full?.[2] ?? short?.[1] ?? "").toLowerCase().replace(/^\[(.*)\]$/, "$1");
  const rawPath = full?.[4] ?? short?.[2];
  if (rawPath === undefined || !isHostName(host)) throw refuse("use https://HOST/OWNER/REPO, ssh or git@HOST:PATH");

  // What we take for the host and what git's helpers will ask must be one: they read URLs in their own ways.
  if (full !== null && hostnameOf(url) !== host)
    throw refuse("its host cannot be told for certain; use https://HOST/…");
  const path = normalisePath(rawPath);
  if (path === undefined)
    throw refuse("its path holds a segment that is no folder's name here (letters, digits and ._~+@- are)");
  return { host, path, fetchUrl: forges.has(host) ? upgraded(url, full?.[3]) : url };
}

/** To https, where that is what is spoken at the usual port. A login stays with whom it is for. */
function upgraded(url: string, port: string | undefined): string {
  const usual = /^git:/i.test(url) ? "9418" : "80";
  if (!isUnencrypted(url) || (port !== undefined && port !== usual)) return url;
  const [, login = "", rest = ""] = /^[a-z]+:\/\/((?:[^/@]*@)?)([^/]+\/.*)$/i.exec(url) ?? [];
  return `https://${login}${port === undefined ? rest : rest.replace(`:${port}/`, "/")}`;
}

/** As everybody else reads it; undefined for what they refuse. */
function hostnameOf(url: string): string | undefined {
  // Others than these are not parsed by the rules of the web.
  const web = url.replace(/^(?:git\+ssh|ssh|git):/i, "https:");
  return URL.canParse(web) ? new URL(web).hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1") : undefined;
}

/** Whether anybody on the way can read and change what is asked for and sent. */
export function isUnencrypted(url: string): boolean {
  return /^(?:http|git):\/\//i.test(url);
}

/**
 * What stands before the path in a git URL, user and port included, as a rule of git's has to have it.
 * `ssh://git@host:2222/o/r` → `ssh://git@host:2222/`, `org-1@github.com:o/r` → `org-1@github.com:`
 * @returns undefined for what is no URL of a host, and where it holds a secret
 */
export function urlPrefix(url: string): { prefix: string; host: string } | undefined {
  if (url.length > maxUrlLength) return undefined;
  const full = scheme.exec(url);
  const short = full === null ? scpLike.exec(url) : null;
  const path = full?.[4] ?? short?.[2];
  const host = (full?.[2] ?? short?.[1] ?? "").toLowerCase();
  if (path === undefined || !isHostName(host)) return undefined;
  const before = url.slice(0, url.length - path.length);
  const prefix = before.endsWith("/") ? `${trimEnd(before, "/")}/` : before;
  const user = /^(?:[a-z+]+:\/\/)?([^/@]*)@/i.exec(prefix)?.[1] ?? "";
  // A password, or a token in a user's place: short names are all that people are called by.
  return /^[\w.-]{0,16}$/.test(user) ? { prefix, host } : undefined;
}

/** `owner/repo.git/` → `owner/repo`; undefined for anything that must not become a path. */
export function normalisePath(path: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  const segments = decoded.split("/").filter((segment) => segment !== "");
  const last = segments.pop()?.replace(/\.git$/, "");
  if (last === undefined || segments.length > 16) return undefined;
  // A folder that ends in .git is a repository, so none can lie below one.
  const inner = segments.every((segment) => pathSegment.test(segment) && !segment.endsWith(".git"));
  return inner && repositoryName.test(last) && !last.endsWith(".git") ? [...segments, last].join("/") : undefined;
}

/**
 * A submodule's URL as git resolves it: `./x` and `../x` count from the URL of the repository that has it.
 * https://git-scm.com/docs/git-submodule (`add`)
 */
export function resolveSubmoduleUrl(parent: string, url: string): string {
  // What is too long is refused by whoever reads it as a URL.
  if (url.length > maxUrlLength || !/^\.\.?(?:\/|$)/.test(url)) return url;
  let base = trimEnd(parent, "/");
  let rest = url;
  while (/^\.\.?(?:\/|$)/.test(rest)) {
    if (rest.startsWith("..")) base = base.replace(/[/:][^/:]*$/, "");
    rest = rest.replace(/^\.\.?\/*/, "");
  }
  const isScpHost = !base.includes("://") && !base.includes("/") && !base.includes(":");
  return `${base}${isScpHost ? ":" : "/"}${rest}`;
}

/**
 * Takes user part and query out of every URL in `text`: tokens must reach neither logs nor the mirror. Rather too much
 * than too little: a password may hold `/` and `@`, although it should not.
 */
export function redactUrl(text: string): string {
  return text.replace(/[^\s'"]+/g, (word) => {
    const start = word.indexOf("://") + "://".length;
    // `user:password@host:path` is none that git would read, and may stand in a lock all the same.
    if (start < "://".length) return /^[^/@:]+:[^@]*@[^/@:]+:/.test(word) ? word.slice(word.indexOf("@") + 1) : word;
    const user = word.lastIndexOf("@");
    const plain = user < start ? word : word.slice(0, start) + word.slice(user + 1);
    const query = plain.indexOf("?", start);
    return query === -1 ? plain : plain.slice(0, query);
  });
}
