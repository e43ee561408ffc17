/** Finds the bare repository for what a client or a lock names, in our layout and in the old one without hosts. */
import { LRUCache } from "lru-cache";
import type { Place } from "../disk/place.ts";
import { caseIgnoring, github } from "../names/known-hosts.ts";
import type { StorePaths } from "./paths.ts";

// The old layout, OWNER/REPO.git right below the git folder, was made for GitHub only.
const oldLayoutHost = github;

/**
 * @param path `owner/repo`, checked by names/git-url @returns where this very repository lies, undefined when it is not held:
 * in another spelling only where the host takes both for one
 */
export async function findRepository(paths: StorePaths, host: string, path: string): Promise<Place | undefined> {
  return find(paths, host, path, caseIgnoring.has(host));
}

/** @param isLenient whether another spelling will do; an exact match wins */
async function find(paths: StorePaths, host: string, path: string, isLenient: boolean): Promise<Place | undefined> {
  const places = [paths.repository(host, path)];
  // No owner on GitHub has a dot in its name, and every host's folder does.
  if (host === oldLayoutHost && !path.split("/", 1)[0]?.includes(".")) places.push(paths.git.at(`${path}.git`));
  const found = places.find((place) => place.isFolder());
  if (found !== undefined || !isLenient) return found;
  for (const place of places) {
    const folded = await findFolded(paths.git, place.below.split("/"));
    if (folded !== undefined) return folded;
  }
  return undefined;
}

/** For a server, which answers whatever spelling is meant: remembers what it found for as long as that is there. */
export function createRepositoryFinder(paths: StorePaths): (host: string, path: string) => Promise<Place | undefined> {
  const found = new LRUCache<string, Place>({ max: 10_000 });
  return async (host, path) => {
    const key = `${host}/${path}`;
    const known = found.get(key);
    if (known?.isFolder() === true) return known;
    const place = await find(paths, host, path, true);
    // What was found under another spelling may come under this one later.
    if (place !== undefined && place.below.endsWith(`${path}.git`)) found.set(key, place);
    else found.delete(key);
    return place;
  };
}

async function findFolded(base: Place, segments: readonly string[]): Promise<Place | undefined> {
  let place = base;
  for (const segment of segments) {
    const folders = (await place.allEntries()).filter(({ kind }) => kind === "folder");
    const match = folders.find(({ name }) => name.toLowerCase() === segment.toLowerCase());
    if (match === undefined) return undefined;
    place = place.at(match.name);
  }
  return place;
}
