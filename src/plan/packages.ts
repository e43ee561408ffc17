/** Locks → the releases that the mirror must hold, each once, with what every lock demands of it. Pure. */
import { compareNames } from "../names/hex-names.ts";
import { compareVersions } from "../names/versions.ts";
import type { Lock } from "../lock/entries.ts";

/** Checksums that a lock demands of a release, 64 hex digits each. */
export interface Demand {
  /** The lock's name, and its app's, for errors. */
  readonly lock: string;
  readonly app: string;
  readonly innerChecksum?: string | undefined;
  readonly outerChecksum?: string | undefined;
}

export interface PackageJob {
  /** `hexpm`, `hexpm:ORG` or another repository's name. */
  readonly repository: string;
  readonly name: string;
  /** By version. */
  readonly releases: readonly { readonly version: string; readonly demands: readonly Demand[] }[];
}

/** By repository, then by name. */
export function packageJobs(locks: readonly Lock[]): PackageJob[] {
  const drafts = new Map<string, { repository: string; name: string; releases: Map<string, Demand[]> }>();
  for (const { name: lock, entries } of locks) {
    for (const entry of entries) {
      if (entry.kind !== "hex") continue;
      const { app, repository, name, version, innerChecksum, outerChecksum } = entry;
      const key = `${repository}/${name}`;
      const draft = drafts.get(key) ?? { repository, name, releases: new Map<string, Demand[]>() };
      drafts.set(key, draft);
      const demands = draft.releases.get(version) ?? [];
      draft.releases.set(version, [...demands, { lock, app, innerChecksum, outerChecksum }]);
    }
  }
  const jobs = [...drafts.values()].map(({ releases, ...job }) => ({
    ...job,
    releases: [...releases]
      .map(([version, demands]) => ({ version, demands }))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }));
  return jobs.sort((a, b) => compareNames(a.repository, b.repository) || compareNames(a.name, b.name));
}
