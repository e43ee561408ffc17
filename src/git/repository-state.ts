/**
 * What a repository would answer with, as a short text that differs whenever an answer could: HEAD, config, shallow,
 * packed-refs, every loose ref and the tables of a reftable repository, by inode, size and times; and the folders of its
 * objects, so that what is put there, such as a link, is looked at before anything more is answered.
 *
 * Synchronous on purpose: a handful of stat calls are faster than as many trips to the thread pool. Links are not
 * followed; a repository that has any is not served.
 */
import { lstatSync, readdirSync } from "node:fs";
import { LRUCache } from "lru-cache";
import type { Place } from "../disk/place.ts";
import { settledAfter, stampFrom, stampOf } from "../disk/stamp.ts";
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
  return state + refsBelow(`${dir}/refs`) + refsBelow(`${dir}/reftable`);
}

/** Empty for what is no folder: one that `pack-refs` has just removed has no refs. */
function refsBelow(dir: string): string {
  const folder = lstatSync(dir, { throwIfNoEntry: false });
  if (folder?.isDirectory() !== true) return "";
  const { refs, folders } = list(dir, stampFrom(folder));
  let state = "";
  for (const path of refs) state += `\n${path} ${stampOf(path) ?? "-"}`;
  for (const path of folders) state += refsBelow(path);
  return state;
}

/** Paths. */
interface Listing {
  readonly refs: readonly string[];
  readonly folders: readonly string[];
}

interface KnownFolder {
  readonly stamp: string;
  /** When that stamp was seen first. Milliseconds, by a clock that nobody sets. */
  readonly since: number;
  listing?: Listing;
}

const known = new LRUCache<string, KnownFolder>({ max: 10_000 });

/** From memory while the folder is what it was: names come and go in a folder only with its times. */
function list(dir: string, stamp: string): Listing {
  const now = performance.now();
  let folder = known.get(dir);
  if (folder?.stamp !== stamp) known.set(dir, (folder = { stamp, since: now }));
  if (folder.listing !== undefined) return folder.listing;
  const listing = read(dir);
  // What was listed that long after its stamp was first seen is all that the folder can hold under that stamp.
  if (listing !== undefined && now - folder.since > settledAfter) folder.listing = listing;
  // Another state each time.
  return listing ?? { refs: [`\uFFFD${unique++}`], folders: [] };
}

let unique = 0;

/** @returns undefined where a name is no text: names of refs are bytes, and git would have to be asked */
function read(dir: string): Listing | undefined {
  const refs: string[] = [];
  const folders: string[] = [];
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.name.includes("\uFFFD")) return undefined;
      if (entry.isDirectory()) folders.push(`${dir}/${entry.name}`);
      // Names that begin with a dot are no refs to git: placeholders.
      else if (!entry.name.startsWith(".")) refs.push(`${dir}/${entry.name}`);
    }
  } catch (error) {
    if (!hasErrno(error, "ENOENT", "ENOTDIR")) throw error;
  }
  return { refs, folders };
}
