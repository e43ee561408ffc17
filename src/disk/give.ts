/** What root writes into a folder of somebody's is theirs: a container that works for them is root there. */
import { chownSync, lstatSync } from "node:fs";
import { dirname, sep } from "node:path";

/** A file, and the folders on the way to it that root made. @param folder whose owner gets them; `path` lies below it */
export function giveToOwnerOf(folder: string, path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = lstatSync(folder);
  for (let each = path; each.startsWith(folder + sep); each = dirname(each)) {
    if (lstatSync(each).uid === 0) chownSync(each, uid, gid);
  }
}
