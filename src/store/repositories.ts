/** Finds the bare repository for what a client or a lock names, in our layout and in the old one without hosts. */
import { statSync } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import { join, sep } from "node:path";
import { isFolder } from "../files.ts";
import type { StorePaths } from "./paths.ts";

// The old layout, OWNER/REPO.git right below the git folder, was made for GitHub only.
const oldLayoutHost = "github.com";

/**
 * @param path `owner/repo`, checked by git/url @returns the repository's folder, undefined when it is not held.
 * GitHub ignores the case of owner and repository, and so does this; an exact match wins.
 */
export async function findRepository(paths: StorePaths, host: string, path: string): Promise<string | undefined> {
  const root = await realpath(paths.gitDir).catch(() => undefined);
  if (root === undefined) return undefined;
  const places = [paths.repository(host, path)];
  // No owner on GitHub has a dot in its name, and every host's folder does.
  if (host === oldLayoutHost && !path.split("/", 1)[0]?.includes("."))
    places.push(join(paths.gitDir, ...`${path}.git`.split("/")));
  for (const place of places) {
    const found = await existing(place, root);
    if (found !== undefined) return found;
  }
  for (const place of places) {
    const folded = await findFolded(paths.gitDir, place.slice(paths.gitDir.length + 1).split(sep));
    const found = folded === undefined ? undefined : await existing(folded, root);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** findRepository for a server: remembers what it found for as long as that is there. */
export function createRepositoryFinder(paths: StorePaths): (host: string, path: string) => Promise<string | undefined> {
  const found = new LRUCache<string, string>({ max: 10_000 });
  return async (host, path) => {
    const key = `${host}/${path}`;
    const known = found.get(key);
    if (known !== undefined && statSync(known, { throwIfNoEntry: false })?.isDirectory() === true) return known;
    const dir = await findRepository(paths, host, path);
    if (dir === undefined) found.delete(key);
    else found.set(key, dir);
    return dir;
  };
}

/** The real path of a folder below `root`: a link that leads out of the mirror is not followed. */
async function existing(place: string, root: string): Promise<string | undefined> {
  const real = await realpath(place).catch(() => undefined);
  if (real === undefined || !real.startsWith(root + sep)) return undefined;
  return (await isFolder(real)) ? real : undefined;
}

async function findFolded(base: string, segments: readonly string[]): Promise<string | undefined> {
  let dir = base;
  for (const segment of segments) {
    const names = await readdir(dir).catch(() => []);
    const match = names.find((name) => name.toLowerCase() === segment.toLowerCase());
    if (match === undefined) return undefined;
    dir = join(dir, match);
  }
  return dir;
}
