/** What root writes into a folder of somebody's is theirs: a container that works for them is root there. */
import { lchownSync, lstatSync } from "node:fs";
import { dirname, sep } from "node:path";

/**
 * @param folder whose owner gets what is about to be made
 * @param path of a file below it, that is not there yet or will be replaced
 * @returns what gives that file away, once it is there, and the folders that had to be made for it
 */
export function givingToOwnerOf(folder: string, path: string): () => void {
  if (process.getuid?.() !== 0) return () => undefined;
  const made = [path];
  for (let above = dirname(path); above.startsWith(folder + sep) && !isThere(above); above = dirname(above)) {
    made.push(above);
  }
  return () => {
    const { uid, gid } = lstatSync(folder);
    // Never what a link leads to.
    for (const each of made) if (isThere(each)) lchownSync(each, uid, gid);
  };
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
