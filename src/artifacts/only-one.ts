/** One process at a time works on a git repository. */
import { takeWritersLock } from "../disk/writers-lock.ts";
import type { GitJob } from "../plan/repositories.ts";
import type { StorePaths } from "../store/paths.ts";
import type { BringTools } from "./artifact.ts";

/**
 * What git fetches stands in the repository before any ref leads to it, where another git that tidies up would take it away:
 * one process at a time works on a repository, while others write elsewhere in the mirror.
 */
export async function asOnlyOne<T>(
  paths: StorePaths,
  { host, path }: Pick<GitJob, "host" | "path">,
  { reporter, signal }: Pick<BringTools, "reporter" | "signal">,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const onWait = () =>
    reporter.note("is being brought by another process; waiting for it", { kind: "git", host, path });
  const lock = await takeWritersLock(paths.repositoryLock(host, path), { onWait, isPatient: true, signal });
  try {
    return await work(AbortSignal.any([signal, lock.signal]));
  } finally {
    await lock.release();
  }
}
