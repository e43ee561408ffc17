/**
 * What a repository would answer with, as a short text that differs whenever an answer could: HEAD, config, shallow,
 * packed-refs, every loose ref and the tables of a reftable repository, by inode, size and times to the nanosecond; and
 * the folders of its objects, so that what is put there, such as a link, is looked at before anything more is answered.
 *
 * Synchronous on purpose: a handful of stat calls are faster than as many trips to the thread pool. Links are not
 * followed; a repository that has any is not served.
 */
import { lstatSync, readdirSync, type Dirent } from "node:fs";
import type { Place } from "../disk/place.ts";
import { hasErrno } from "../errors.ts";

// The folder itself tells of whatever is replaced in it.
const watched = ["", "/config", "/shallow", "/packed-refs", "/objects/info", "/objects/pack"];

/** @param repository looked at just now, on the way to it @returns undefined when there is no repository */
export function repositoryState(repository: Place): string | undefined {
  const dir = repository.path;
  const head = stampOf(`${dir}/HEAD`);
  if (head === undefined) return undefined;
  let state = head;
  for (const name of watched) state += `\n${stampOf(dir + name) ?? "-"}`;
  for (const folder of ["/refs", "/reftable"]) {
    const path = dir + folder;
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) state += refsBelow(path);
  }
  return state;
}

function refsBelow(dir: string): string {
  let state = "";
  for (const { name, isFolder } of list(dir)) {
    const path = `${dir}/${name}`;
    if (isFolder) state += refsBelow(path);
    // Names that begin with a dot are no refs to git: placeholders.
    else if (!name.startsWith(".")) state += `\n${path} ${stampOf(path) ?? "-"}`;
  }
  return state;
}

/** A folder that `pack-refs` has just removed has no refs. */
function list(dir: string): { name: string; isFolder: boolean }[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    // Names of refs are bytes; of one that is no text, git would have to be asked.
    if (entries.some(({ name }) => name.includes("\uFFFD"))) return [{ name: `\uFFFD${unique++}`, isFolder: false }];
    return entries.map((entry: Dirent) => ({ name: entry.name, isFolder: entry.isDirectory() }));
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

let unique = 0;

function stampOf(path: string): string | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
