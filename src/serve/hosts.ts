/**
 * Which host a request is for, and which of its rooms. Pure: the whole routing by host is in this table.
 *
 *   Host: github.com        /owner/repo.git/info/refs              git of github.com
 *   Host: app_deps          /packages/jason                        the mirror itself: our signed registry
 *   Host: localhost:8000    /github.com/owner/repo.git/info/refs   git of github.com, by its first segment
 *   Host: localhost:8000    /owner/repo.git/info/refs              git of github.com, as the old stack had it
 *   Host: repo.hex.pm       /packages/jason                        upstream's own record, its signature untouched
 *   Host: localhost:8000    /repo.hex.pm/tarballs/jason-1.4.1.tar  a tarball: the same bytes on both faces
 *   Host: builds.hex.pm     /installs/hex-1.x.csv                  installers
 *   Host: hex.pm            /api/packages/jason                    the API, from what is held
 *   Host: github.com        /o/r/releases/download/v1/tool         another file of that host
 *   Host: example.org       anything                               404: never answer one host with another's content
 */
import { isHostName } from "../names/git-url.ts";
import { github, hexApiHost, hexRegistryHost, hostsOfContainers, installersHost } from "../names/known-hosts.ts";
import { isIP } from "node:net";

export type Target =
  /** `path` is decoded, in this and the next two: whatever is allowed or guarded is compared with what is meant. */
  | { readonly kind: "own"; readonly path: string }
  /** A record or key as upstream signed it. */
  | { readonly kind: "upstream"; readonly path: string }
  | { readonly kind: "file"; readonly host: string; readonly path: string }
  | {
      readonly kind: "git";
      readonly host: string;
      readonly repository: string;
      readonly action: GitAction;
      /** Which object of Git LFS. */
      readonly oid?: string;
    }
  | { readonly kind: "unknown"; readonly host: string; readonly path: string };

/** `dumb`: a plain file of a repository, which we do not serve. */
export type GitAction =
  | "info/refs"
  | "git-upload-pack"
  | "git-receive-pack"
  | "git-upload-archive"
  | "dumb"
  | "lfs/batch"
  | "lfs/object"
  | "lfs/other";

export interface KnownHosts {
  /** Names of the mirror itself beyond localhost, addresses and names without a dot. */
  readonly own: ReadonlySet<string>;
  /** Those that the mirror holds something of, by now. */
  readonly served: () => ReadonlySet<string>;
}

/** Whether a path of the mirror's own leads to one of its rooms; any other may be meant for a host, served or not. */
export function isOwnRoom(path: string): boolean {
  const first = path.split("/")[1] ?? "";
  return first === "" || ownRooms.has(first.toLowerCase());
}

// A host may be called like one of them, but what the mirror itself answers must not be taken over by a lock.
const ownRooms = new Set([
  "api",
  "ca.pem",
  "docs",
  "health",
  "installs",
  "login",
  "logout",
  "metrics",
  "names",
  "packages",
  "policies",
  "public_key",
  "repos",
  "tarballs",
  "ui",
  "versions",
]);
const gitSuffix = /^(.+?)\/(info\/refs|git-upload-pack|git-receive-pack|git-upload-archive)$/;
// Before the plain files of a repository, which some of it looks like.
const lfsSuffix = /^(.+?)\/info\/lfs\/(?:(objects\/batch)|objects\/([0-9a-f]{64})|(locks(?:\/.*)?|objects(?:\/.*)?))$/;
// What upstream signed, and what is the same on both faces since the record's checksums say so.
const upstreamRecord = /^\/(?:repos\/[^/]+\/)?(?:names|versions|public_key|packages\/[^/]+|policies\/[^/]+)$/;
const sharedFile = /^\/(?:repos\/[^/]+\/)?(?:tarballs|docs)\/[^/]+$/;
const dumbFile = /^(.+?\.git)\/(?:HEAD|config|description|packed-refs|objects\/.*|refs\/.*|hooks\/.*|info\/.*)$/;

/**
 * Where a request leads, without its query. A client that takes us for a proxy sends the whole URL, whose host then
 * counts (RFC 9112, section 3.2.2); its user part is nobody's business.
 */
export function requestPlace(url: string, hostHeader: string | undefined): { host: string | undefined; path: string } {
  const plain = url.replace(/[?#].*$/s, "");
  const [, authority, rest = ""] = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)(.*)$/is.exec(plain) ?? [];
  const withoutUser = (host: string) => host.slice(host.lastIndexOf("@") + 1);
  if (authority === undefined)
    return { host: hostHeader === undefined ? undefined : withoutUser(hostHeader), path: plain };
  return { host: withoutUser(authority), path: rest === "" ? "/" : rest };
}

/** Host and path of a request, for people: without its query and whatever else may be a secret. */
export function requestShown(url: string, hostHeader: string | undefined): string {
  const { host, path } = requestPlace(url, hostHeader);
  return `${host ?? ""}${path}`;
}

/** @param path as the client sent it, without its query */
export function findTarget(hostHeader: string | undefined, path: string, known: KnownHosts): Target {
  const asked = hostOf(hostHeader);
  // Looked at when it matters, and once for a request.
  let served: ReadonlySet<string> | undefined;
  const isServed = (name: string) => (served ??= known.served()).has(name);
  let host = asked;
  let rest = path.replace(/\/{2,}/g, "/");
  let elsewhere: string | undefined;
  if (isOwn(asked, known.own)) {
    const [, first = "", below = "/"] = /^\/([^/]+)(\/.*)?$/.exec(rest) ?? [];
    const selected = first.toLowerCase();
    const isSelected = !ownRooms.has(selected) && isServed(selected);
    host = isSelected ? selected : "";
    if (isSelected) rest = below;
    // An owner at github.com has no dot: this is a host that nothing is held of, and is told as such.
    else if (isHostName(selected) && selected.includes(".") && (gitSuffix.test(below) || lfsSuffix.test(below)))
      elsewhere = selected;
    if (elsewhere !== undefined) rest = below;
  }
  // A company's `gitserver` may be aliased to the mirror: its repositories are its own, the rest is the mirror's.
  const gitHost = () => elsewhere ?? (host || usualHost());
  const usualHost = () => (asked !== "localhost" && isServed(asked) ? asked : github);
  // Told by their suffix before any other route, so that an owner may be called "docs" or "packages".
  const [, ofLfs, batch, oid, other] = lfsSuffix.exec(rest) ?? [];
  if (ofLfs !== undefined) {
    const action = batch !== undefined ? "lfs/batch" : other === undefined ? "lfs/object" : "lfs/other";
    return { ...gitTarget(gitHost(), ofLfs, action), ...(oid === undefined ? {} : { oid }) };
  }
  const git = gitSuffix.exec(rest);
  const dumb = git === null ? dumbFile.exec(rest) : null;
  if (git?.[1] !== undefined) return gitTarget(gitHost(), git[1], git[2] as GitAction);
  if (dumb?.[1] !== undefined) return gitTarget(gitHost(), dumb[1], "dumb");
  const decoded = decodePath(rest);
  if (decoded === undefined) return { kind: "unknown", host, path: rest };
  return host === "" ? { kind: "own", path: decoded } : hostTarget(host, decoded, isServed);
}

/** The rooms of hosts that are not the mirror's own. */
function hostTarget(host: string, path: string, isServed: (host: string) => boolean): Target {
  const isInstaller = path.startsWith("/installs/");
  if (host === hexRegistryHost && upstreamRecord.test(path)) return { kind: "upstream", path };
  if (host === hexRegistryHost && (isInstaller || sharedFile.test(path))) return { kind: "own", path };
  if (host === installersHost && isInstaller) return { kind: "own", path };
  if (host === hexApiHost && path.startsWith("/api/")) return { kind: "own", path };
  return isServed(host) && path !== "/" ? { kind: "file", host, path } : { kind: "unknown", host, path };
}

/** undefined for a path that means something else once it is decoded: a slash, a step up, a NUL. */
function decodePath(path: string): string | undefined {
  try {
    const segments = path.split("/").map(decodeURIComponent);
    const isPlain = segments.every((segment) => segment !== "." && segment !== ".." && !/[/\\\0]/.test(segment));
    return isPlain ? segments.join("/") : undefined;
  } catch {
    return undefined;
  }
}

function gitTarget(host: string, repository: string, action: GitAction): Extract<Target, { kind: "git" }> {
  return { kind: "git", host, repository: repository.slice(1), action };
}

/** `GitHub.com:443` → `github.com`, `[::1]:8000` → `::1`. */
function hostOf(header: string | undefined): string {
  const host = (header ?? "").trim().toLowerCase();
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d+)?$/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, "").replace(/\.$/, "");
}

function isOwn(host: string, names: ReadonlySet<string>): boolean {
  return host === "" || !host.includes(".") || isIP(host) !== 0 || names.has(host) || hostsOfContainers.has(host);
}
