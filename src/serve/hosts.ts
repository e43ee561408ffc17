/**
 * Which host a request is for, and which of its rooms. Pure: the whole routing by host is in this table.
 *
 *   Host: github.com        /owner/repo.git/info/refs              git of github.com
 *   Host: app_deps          /packages/jason                        the mirror itself: our signed registry
 *   Host: localhost:8000    /github.com/owner/repo.git/info/refs   git of github.com, by its first segment
 *   Host: localhost:8000    /owner/repo.git/info/refs              git of github.com, as the old stack had it
 *   Host: example.org       anything                               404: never answer one host with another's content
 */
import { isIP } from "node:net";

export type Target =
  | { readonly kind: "own"; readonly path: string }
  | { readonly kind: "git"; readonly host: string; readonly repository: string; readonly action: GitAction }
  | { readonly kind: "unknown"; readonly host: string; readonly path: string };

/** `dumb`: a plain file of a repository, which we do not serve. */
export type GitAction = "info/refs" | "git-upload-pack" | "git-receive-pack" | "dumb";

export interface KnownHosts {
  /** Names of the mirror itself beyond localhost, addresses and names without a dot. */
  readonly own: ReadonlySet<string>;
  /** Whether the mirror holds something of this host. */
  readonly isServed: (host: string) => boolean;
}

const gitSuffix = /^(.+?)\/(info\/refs|git-upload-pack|git-receive-pack)$/;
const dumbFile = /^(.+?\.git)\/(?:HEAD|config|description|packed-refs|objects\/.*|refs\/.*|hooks\/.*|info\/.*)$/;

/** @param path as the client sent it, without its query */
export function findTarget(hostHeader: string | undefined, path: string, known: KnownHosts): Target {
  let host = hostOf(hostHeader);
  let alias = "github.com";
  // A `+` of build metadata may come as it is or escaped, and the file server knows one spelling only.
  let rest = path.replace(/\/{2,}/g, "/").replace(/%2B/gi, "+");
  if (isOwn(host, known.own)) {
    const [, first = "", below = "/"] = /^\/([^/]+)(\/.*)?$/.exec(rest) ?? [];
    const selected = first.toLowerCase();
    if (known.isServed(selected)) {
      host = selected;
      rest = below;
    } else {
      // A company's `gitserver` may be aliased to the mirror: its repositories are its own, the rest is the mirror's.
      alias = host !== "localhost" && known.isServed(host) ? host : "github.com";
      host = "";
    }
  }
  // Told by their suffix before any other route, so that an owner may be called "docs" or "packages".
  const git = gitSuffix.exec(rest);
  const dumb = git === null ? dumbFile.exec(rest) : null;
  if (git?.[1] !== undefined) return gitTarget(host || alias, git[1], git[2] as GitAction);
  if (dumb?.[1] !== undefined) return gitTarget(host || alias, dumb[1], "dumb");
  return host === "" ? { kind: "own", path: rest } : { kind: "unknown", host, path: rest };
}

function gitTarget(host: string, repository: string, action: GitAction): Target {
  return { kind: "git", host, repository: repository.slice(1), action };
}

/** `GitHub.com:443` → `github.com`, `[::1]:8000` → `::1`. */
function hostOf(header: string | undefined): string {
  const host = (header ?? "").trim().toLowerCase();
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d+)?$/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, "").replace(/\.$/, "");
}

function isOwn(host: string, names: ReadonlySet<string>): boolean {
  return host === "" || !host.includes(".") || isIP(host) !== 0 || names.has(host);
}
