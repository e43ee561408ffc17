/** Locks → the entries that nothing can be mirrored for. Pure. */
import type { Lock } from "../lock/entries.ts";

export interface SkippedDependency {
  readonly lock: string;
  readonly app: string;
  readonly reason: string;
  /** It is of this project, so nothing is missing. */
  readonly isPath: boolean;
}

export function skippedEntries(locks: readonly Lock[]): SkippedDependency[] {
  return locks.flatMap(({ name: lock, entries }) =>
    entries.flatMap((entry) =>
      entry.kind === "skipped" ? [{ lock, app: entry.app, reason: entry.reason, isPath: entry.isPath }] : [],
    ),
  );
}
