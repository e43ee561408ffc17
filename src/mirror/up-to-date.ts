/** Is there anything for a sync to do but to ask upstream for news? Answered from the folder, in milliseconds. */
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import { redactUrl } from "../names/git-url.ts";
import type { Lock } from "../lock/entries.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { isKnownLock, readKnownLocks } from "../store/known-locks.ts";
import { readUnsigned } from "../store/unsigned.ts";
import type { Context } from "../store/context.ts";
import type { GitPolicyKey } from "./kinds.ts";
import { withPackages } from "./wanted.ts";

/** Whether every lock is as it was at its last sync, and all that it and the settings want is here. */
export async function isUpToDate(
  { paths, config }: Context<"packages" | GitPolicyKey>,
  kinds: Kinds,
  given: readonly Lock[],
): Promise<boolean> {
  // What was brought and not signed is not here for clients.
  if ((await readUnsigned(paths)).size > 0) return false;
  const known = await readKnownLocks(paths);
  const locks = withPackages(given, config, known);
  const { refused } = repositoryJobs(locks, config);
  for (const lock of locks) {
    if (!(await isKnownLock(paths, lock, { redact: redactUrl, refused }))) return false;
  }
  // As they were synced: with their submodules, which the locks themselves do not name.
  const asSynced = known.filter(({ name }) => locks.some((lock) => lock.name === name));
  const areHeld = await inTurn(kinds, async (kind) => {
    for (const job of (await kind.wanted({ locks: asSynced })).jobs) {
      if (!(await kind.has(job)).every(({ isHeld }) => isHeld)) return false;
      // Where it cannot be asked what is in a repository, that is no reason to ask upstream.
      const lacks = await kind.lacks?.(job).catch(() => []);
      if (lacks !== undefined && lacks.length > 0) return false;
    }
    return true;
  });
  return areHeld.every(Boolean);
}
