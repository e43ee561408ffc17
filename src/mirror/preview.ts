/** What a sync would do, from what the folder holds. */
import { isFile } from "../files.ts";
import { shownPackage } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { findRepository } from "../store/repositories.ts";
import type { Context } from "./context.ts";
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
export async function previewSync({ paths, config }: Context, given: readonly Lock[]): Promise<SyncPreview> {
  const plan = makePlan(withPackages(given, config, await readKnownLocks(paths)), config);
  const fetch: string[] = [];
  const refresh: string[] = [];
  const add = (isHere: boolean, item: string) => (isHere ? refresh : fetch).push(item);
  for (const { repository, name, releases } of plan.packages) {
    const registry = paths.registry(repository);
    for (const { version } of releases) {
      add(await isFile(registry.tarball(name, version)), `${shownPackage(repository, name)} ${version}`);
      if (config.docs && !(await isFile(registry.docs(name, version)))) {
        fetch.push(`the documentation of ${shownPackage(repository, name)} ${version}`);
      }
    }
  }
  for (const { host, path } of plan.repositories) {
    add((await findRepository(paths, host, path)) !== undefined, `https://${host}/${path}`);
  }
  for (const { url, host, path } of fileJobs(config.files)) add(await isFile(paths.file(host, path)), url);
  // Which they are, only upstream's lists tell.
  if (config.installers !== undefined) refresh.push(`the installers at ${config.buildsUrl}`);
  return { fetch, refresh, skipped: plan.skipped, refused: plan.refused };
}
