/** Is there anything for a sync to do but to ask upstream for news? Answered from the folder, in milliseconds. */
import type { Place } from "../disk/place.ts";
import { redactUrl } from "../git/url.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { makePlan } from "../plan/plan.ts";
import { isKnownLock, readKnownLocks } from "../store/known-locks.ts";
import { findRepository } from "../store/repositories.ts";
import type { Context } from "./context.ts";
import { withPackages } from "./wanted.ts";

/** Whether every lock is as it was at its last sync, and all that it names is here. */
export async function isUpToDate({ paths, config }: Context, given: readonly Lock[]): Promise<boolean> {
  const known = await readKnownLocks(paths);
  const locks = withPackages(given, config, known);
  const plan = makePlan(locks, config);
  for (const lock of locks) {
    if (!(await isKnownLock(paths, lock, { redact: redactUrl, refused: plan.refused }))) return false;
  }
  for (const { repository, name, releases } of plan.packages) {
    const registry = paths.registry(repository);
    const files = [
      registry.resource(`packages/${name}`),
      ...releases.map(({ version }) => registry.tarball(name, version)),
    ];
    if (!areHere(files)) return false;
  }
  // As they were synced: with their submodules, which the locks themselves do not name.
  const asSynced = known.filter(({ name }) => locks.some((lock) => lock.name === name));
  for (const { host, path } of makePlan(asSynced, config).repositories) {
    if ((await findRepository(paths, host, path)) === undefined) return false;
  }
  const { docs, installers } = config;
  const docsDirs = plan.packages.map(({ repository }) => paths.registry(repository).docsDir);
  if (docs && !docsDirs.every((place) => place.isFolder())) return false;
  if (installers !== undefined && !paths.installsDir.isFolder()) return false;
  return areHere(fileJobs(config.files).map(({ host, path }) => paths.file(host, path)));
}

function areHere(files: readonly Place[]): boolean {
  return files.every((file) => file.isFile());
}
