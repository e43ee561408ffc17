/** What lies below a place, however deep: how much room it takes, its files, and what has no business there. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Place } from "./place.ts";
import { barOf } from "./root.ts";

/** Bytes of a file, or of all files below a folder; 0 for what is not there. */
export async function sizeOf(place: Place): Promise<number> {
  const found = place.look();
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.size;
  let size = 0;
  // Gone since it was listed, such as what git has packed meanwhile: nothing.
  for await (const file of filesBelow(place, true)) size += file.look()?.size ?? 0;
  return size;
}

/** Every file below a folder, by its path there with `/`, sorted; hidden ones are left out. */
export async function listFiles(folder: Place): Promise<string[]> {
  const found: string[] = [];
  const start = folder.below === "" ? 0 : folder.below.length + 1;
  for await (const file of filesBelow(folder, false)) found.push(file.below.slice(start));
  return found.sort();
}

export interface Foreign {
  readonly path: string;
  /** `is a link`, `is neither a file nor a folder` */
  readonly why: string;
}

/**
 * All that is neither a regular file nor a folder: nothing of it is used, whatever it leads to.
 * @param isPassedOver what is not looked at, by its path
 */
export async function foreignBelow(place: Place, isPassedOver: (path: string) => boolean): Promise<Foreign[]> {
  try {
    return place.look()?.isDirectory() === true ? await foreignIn(place.path, isPassedOver) : [];
  } catch (error) {
    // It is one itself; where the way to it leads through one, that is told by its own name.
    const bar = barOf(error);
    return bar !== undefined && bar.path === place.path ? [bar] : [];
  }
}

async function foreignIn(folder: string, isPassedOver: (path: string) => boolean): Promise<Foreign[]> {
  const found: Foreign[] = [];
  // One that is gone, or may not be read: whoever needs it will say so.
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (isPassedOver(path)) continue;
    if (entry.isDirectory()) found.push(...(await foreignIn(path, isPassedOver)));
    else if (!entry.isFile()) {
      found.push({ path, why: entry.isSymbolicLink() ? "is a link" : "is neither a file nor a folder" });
    }
  }
  return found;
}

/** @param withHidden whether hidden files and folders count */
export async function* filesBelow(folder: Place, withHidden: boolean): AsyncGenerator<Place> {
  for (const { name, kind } of await (withHidden ? folder.allEntries() : folder.entries())) {
    if (kind === "file") yield folder.at(name);
    else if (kind === "folder") yield* filesBelow(folder.at(name), withHidden);
  }
}
