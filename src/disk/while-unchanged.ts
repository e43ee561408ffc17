/** What was made of files, kept for as long as they are what they were. */
import { settledAfter } from "./stamp.ts";

/** @param stamp of all the files that it is made of @returns what makes it anew only where it has to */
export function whileUnchanged<T>(stamp: () => string, make: () => Promise<T>): () => Promise<T> {
  let seen: string | undefined;
  let since = 0;
  let kept: Promise<T> | undefined;
  return () => {
    const now = performance.now();
    const current = stamp();
    if (current !== seen) {
      seen = current;
      since = now;
      kept = undefined;
    }
    if (kept !== undefined) return kept;
    const made = make();
    if (now - since < settledAfter) return made;
    kept = made;
    made.catch(() => {
      if (kept === made) kept = undefined;
    });
    return made;
  };
}
