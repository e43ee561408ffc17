/**
 * Git repositories of owners that the operator named: fetched as `sync` fetches them, by the operator's own git and logins. Only
 * clients with a token of this mirror's get as far as this (serve/guard.ts).
 */
import type { Artifact } from "../artifacts/artifact.ts";
import { github } from "../names/known-hosts.ts";
import { repositoryJobs, repositoryKey, type GitJob } from "../plan/repositories.ts";
import type { Bringer } from "./bringer.ts";
import { requireBrought } from "./releases.ts";

export interface Names {
  readonly host: string;
  readonly path: string;
}

/** @param owners as `--pull-private` has them: HOST/OWNER, or OWNER of GitHub's */
export function createIsPrivate(owners: readonly string[]): (names: Names) => boolean {
  const named = new Set(owners.map((each) => each.toLowerCase()));
  return ({ host, path }) => {
    const owner = (path.split("/", 1)[0] ?? "").toLowerCase();
    return (host === github && named.has(owner)) || named.has(`${host}/${owner}`);
  };
}

/** @throws MirrorError */
export async function bringPrivately(names: Names, repositories: Artifact<GitJob>, bringer: Bringer): Promise<void> {
  const { host, path } = names;
  const { jobs } = repositoryJobs(await bringer.known());
  const known = jobs.find((each) => repositoryKey(each) === repositoryKey(names));
  // As a lock names it, where one does.
  const job: GitJob = known ?? { host, path, urls: [`https://${host}/${path}.git`], entries: [] };
  const bringing = await repositories.bringing([job], bringer);
  for await (const outcome of bringing.bring(job)) requireBrought(outcome);
}
