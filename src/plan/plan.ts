/** Locks → what the mirror must hold, each package and repository once, with what every lock demands of it. Pure. */
import { compareNames, compareVersions } from "../hex/names.ts";
import { MirrorError, describeError } from "../errors.ts";
import { isUnencrypted, parseGitUrl } from "../git/url.ts";
import type { GitEntry, GitOptions, HexEntry, Lock } from "../lock/entries.ts";

/** Checksums that a lock demands of a release, 64 hex digits each. */
export interface Demand {
  /** The lock's name, for errors. */
  readonly lock: string;
  readonly innerChecksum?: string | undefined;
  readonly outerChecksum?: string | undefined;
}

export interface PackageJob {
  /** `hexpm`, `hexpm:ORG` or another repository's name. */
  readonly repository: string;
  readonly name: string;
  readonly releases: readonly { readonly version: string; readonly demands: readonly Demand[] }[];
}

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
  readonly revision: string;
  readonly options: GitOptions;
}

export interface Plan {
  readonly packages: readonly PackageJob[];
  readonly repositories: readonly GitJob[];
  /** Entries that name nothing to mirror. */
  readonly skipped: readonly { readonly lock: string; readonly app: string; readonly reason: string }[];
  /** Entries that cannot be mirrored. */
  readonly refused: readonly { readonly lock: string; readonly app: string; readonly reason: string }[];
}

interface Draft {
  readonly packages: Map<string, { repository: string; name: string; releases: Map<string, Demand[]> }>;
  readonly repositories: Map<string, { host: string; path: string; urls: [string, ...string[]]; entries: GitDemand[] }>;
  readonly skipped: Plan["skipped"][number][];
  readonly refused: Plan["refused"][number][];
}

export interface PlanOptions {
  /** Whether locks may name repositories on this machine, by path or file://. */
  readonly allowLocalGit?: boolean;
  /** Hosts whose repositories locks may name; empty: any. */
  readonly allowHosts?: readonly string[];
  /** Likewise owners, as OWNER or HOST/OWNER. */
  readonly allowOwners?: readonly string[];
}

export function makePlan(locks: readonly Lock[], options: PlanOptions = {}): Plan {
  const draft: Draft = { packages: new Map(), repositories: new Map(), skipped: [], refused: [] };
  for (const { name, entries } of locks) {
    for (const entry of entries) {
      if (entry.kind === "hex") addRelease(draft, entry, name);
      else if (entry.kind === "git") addRepository(draft, entry, name, options);
      else draft.skipped.push({ lock: name, app: entry.app, reason: entry.reason });
    }
  }
  const packages = [...draft.packages.values()].map(({ repository, name, releases }) => ({
    repository,
    name,
    releases: [...releases]
      .map(([version, demands]) => ({ version, demands }))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }));
  const repositories = [...draft.repositories.values()];
  return {
    packages: packages.sort((a, b) => compareNames(a.repository, b.repository) || compareNames(a.name, b.name)),
    repositories: repositories.sort((a, b) => compareNames(a.host, b.host) || compareNames(a.path, b.path)),
    skipped: draft.skipped,
    refused: draft.refused,
  };
}

function addRelease({ packages }: Draft, entry: HexEntry, lock: string): void {
  const { repository, name, version, innerChecksum, outerChecksum } = entry;
  const key = `${repository}/${name}`;
  const job = packages.get(key) ?? { repository, name, releases: new Map<string, Demand[]>() };
  packages.set(key, job);
  job.releases.set(version, [...(job.releases.get(version) ?? []), { lock, innerChecksum, outerChecksum }]);
}

function addRepository({ repositories, refused }: Draft, entry: GitEntry, lock: string, options: PlanOptions): void {
  try {
    const { host, path, fetchUrl } = parseGitUrl(entry.url, options.allowLocalGit);
    requireAllowed(host, path, options);
    // GitHub ignores case, and two spellings in two locks are one repository.
    const key = `${host}/${path}`.toLowerCase();
    const job = repositories.get(key) ?? { host, path, urls: [fetchUrl], entries: [] };
    repositories.set(key, job);
    if (!job.urls.includes(fetchUrl)) job.urls.push(fetchUrl);
    // What nobody can read or change on the way comes first, and else what was named first.
    job.urls.sort((a, b) => Number(isUnencrypted(a)) - Number(isUnencrypted(b)));
    job.entries.push({ lock, revision: entry.revision, options: entry.options });
  } catch (error) {
    refused.push({ lock, app: entry.app, reason: describeError(error) });
  }
}

/** A lock may come from anybody, and git fetches whatever the user may read. @throws MirrorError `refused` */
function requireAllowed(host: string, path: string, { allowHosts = [], allowOwners = [] }: PlanOptions): void {
  if (allowHosts.length > 0 && !allowHosts.some((allowed) => allowed.toLowerCase() === host)) {
    throw new MirrorError("refused", `https://${host}/${path}: the host is none of --allow-hosts`);
  }
  const owner = (path.split("/", 1)[0] ?? "").toLowerCase();
  const names = new Set([owner, `${host}/${owner}`]);
  if (allowOwners.length > 0 && !allowOwners.some((allowed) => names.has(allowed.toLowerCase()))) {
    throw new MirrorError("refused", `https://${host}/${path}: the owner is none of --allow-owners`);
  }
}
