/** What a sync would do, from what the folder holds. */
import { shownPackage } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { findRepository } from "../store/repositories.ts";
import { tellForeign, type Context } from "./context.ts";
import { withPackages } from "./wanted.ts";

export interface SyncPreview {
  /** What is not here and would be fetched. */
  readonly fetch: readonly string[];
  /** What is here; its record or refs would be refreshed. */
  readonly refresh: readonly string[];
  readonly skipped: Plan["skipped"];
  readonly refused: Plan["refused"];
}

/** Nothing is asked of upstream, nothing is written. */
export async function previewSync(context: Context, given: readonly Lock[]): Promise<SyncPreview> {
  const { paths, config } = context;
  await tellForeign(context);
  const plan = makePlan(withPackages(given, config, await readKnownLocks(paths)), config);
  const fetch: string[] = [];
  const refresh: string[] = [];
  const add = (isHere: boolean, item: string) => (isHere ? refresh : fetch).push(item);
  for (const { repository, name, releases } of plan.packages) {
    const registry = paths.registry(repository);
    for (const { version } of releases) {
      add(registry.tarball(name, version).isFile(), `${shownPackage(repository, name)} ${version}`);
      if (config.docs && !registry.docs(name, version).isFile()) {
        fetch.push(`the documentation of ${shownPackage(repository, name)} ${version}`);
      }
    }
  }
  for (const { host, path } of plan.repositories) {
    add((await findRepository(paths, host, path)) !== undefined, `https://${host}/${path}`);
  }
  for (const { url, host, path } of fileJobs(config.files)) add(paths.file(host, path).isFile(), url);
  // Which they are, only upstream's lists tell.
  if (config.installers !== undefined) refresh.push(`the installers at ${config.buildsUrl}`);
  return { fetch, refresh, skipped: plan.skipped, refused: plan.refused };
}
