/** Locks → the git repositories that the mirror must hold, each once, with every commit that a lock names. Pure. */
import { caseIgnoring } from "../names/known-hosts.ts";
import { compareNames } from "../names/hex-names.ts";
import { MirrorError, describeError } from "../errors.ts";
import { isUnencrypted, parseGitUrl } from "../names/git-url.ts";
import type { GitEntry, GitOptions, Lock } from "../lock/entries.ts";

export interface GitJob {
  readonly host: string;
  /** `owner/repo`, without `.git`. */
  readonly path: string;
  /** As git is asked to fetch it, and how else, when that fails; the safest first. May hold credentials. */
  readonly urls: readonly [string, ...string[]];
  readonly entries: readonly GitDemand[];
}

/** A commit that a lock names, and how the app asks for it. */
export interface GitDemand {
  readonly lock: string;
  readonly app: string;
  readonly revision: string;
  readonly options: GitOptions;
}

export interface RefusedEntry {
  readonly lock: string;
  readonly app: string;
  readonly reason: string;
}

export interface GitPolicy {
  /** Whether locks may name repositories on this machine, by path or file://. */
  readonly allowLocalGit?: boolean;
  /** Hosts whose repositories locks may name; empty: any. */
  readonly allowHosts?: readonly string[];
  /** Likewise owners, as OWNER or HOST/OWNER. */
  readonly allowOwners?: readonly string[];
}

interface Draft {
  readonly host: string;
  readonly path: string;
  readonly urls: [string, ...string[]];
  readonly entries: GitDemand[];
}

/** By host, then by path. */
export function repositoryJobs(
  locks: readonly Lock[],
  policy: GitPolicy = {},
): { readonly jobs: readonly GitJob[]; readonly refused: readonly RefusedEntry[] } {
  const drafts = new Map<string, Draft>();
  const refused: RefusedEntry[] = [];
  for (const { name: lock, entries } of locks) {
    for (const entry of entries) {
      if (entry.kind !== "git") continue;
      try {
        addDemand(drafts, entry, lock, policy);
      } catch (error) {
        refused.push({ lock, app: entry.app, reason: describeError(error) });
      }
    }
  }
  const jobs = [...drafts.values()];
  return { jobs: jobs.sort((a, b) => compareNames(a.host, b.host) || compareNames(a.path, b.path)), refused };
}

/** @throws MirrorError */
function addDemand(drafts: Map<string, Draft>, entry: GitEntry, lock: string, policy: GitPolicy): void {
  const { host, path, fetchUrl } = parseGitUrl(entry.url, policy.allowLocalGit);
  requireAllowed(host, path, policy);
  const key = repositoryKey({ host, path });
  const draft: Draft = drafts.get(key) ?? { host, path, urls: [fetchUrl], entries: [] };
  drafts.set(key, draft);
  if (!draft.urls.includes(fetchUrl)) draft.urls.push(fetchUrl);
  // What nobody can read or change on the way comes first, and else what was named first.
  draft.urls.sort((a, b) => Number(isUnencrypted(a)) - Number(isUnencrypted(b)));
  draft.entries.push({ lock, app: entry.app, revision: entry.revision, options: entry.options });
}

/** What tells repositories apart: where the host ignores case, two spellings in two locks are one repository. */
export function repositoryKey({ host, path }: Pick<GitJob, "host" | "path">): string {
  return `${host}/${caseIgnoring.has(host) ? path.toLowerCase() : path}`;
}

/** A lock may come from anybody, and git fetches whatever the user may read. @throws MirrorError `refused` */
function requireAllowed(host: string, path: string, { allowHosts = [], allowOwners = [] }: GitPolicy): void {
  if (allowHosts.length > 0 && !allowHosts.some((allowed) => allowed.toLowerCase() === host)) {
    throw new MirrorError("refused", `https://${host}/${path}: the host is none of --allow-hosts`);
  }
  const owner = (path.split("/", 1)[0] ?? "").toLowerCase();
  const names = new Set([owner, `${host}/${owner}`]);
  if (allowOwners.length > 0 && !allowOwners.some((allowed) => names.has(allowed.toLowerCase()))) {
    throw new MirrorError("refused", `https://${host}/${path}: the owner is none of --allow-owners`);
  }
}
