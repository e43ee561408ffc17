/**
 * What a folder is already, by what lies in it: a root may be a link only to what is that. The folder that a link leads
 * to may belong to anybody, so it is looked at and not touched.
 */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** @param folder a real path */
export function isMirror(folder: string): boolean {
  return (
    is("file", join(folder, "mirror.json")) || isRegistry(join(folder, "hex")) || holdsRepositories(join(folder, "git"))
  );
}

/** As `build` leaves it, ours or that of `mix hex.registry`, or as one finds it: packages and nothing signed yet. */
export function isRegistry(folder: string): boolean {
  return (
    (is("file", join(folder, "public_key")) && is("file", join(folder, "names"))) ||
    namesIn(join(folder, "tarballs")).some((name) => name.endsWith(".tar"))
  );
}

// OWNER/REPO.git, or HOST/GROUP/…/REPO.git.
const maxDepth = 5;
const maxFolders = 2_000;

export function holdsRepositories(folder: string): boolean {
  let level = [folder];
  let seen = 0;
  for (let depth = 0; depth < maxDepth && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const parent of level) {
      for (const name of namesIn(parent)) {
        const path = join(parent, name);
        if (++seen > maxFolders) return false;
        if (name.endsWith(".git") && is("file", join(path, "HEAD")) && is("folder", join(path, "objects"))) return true;
        if (!name.startsWith(".") && is("folder", path)) next.push(path);
      }
    }
    level = next;
  }
  return false;
}

const cacheFolders = new Set(["clients", "git-answers", "index"]);

/** An empty folder will do: nothing is lost in a cache. */
export function isCache(folder: string): boolean {
  return namesIn(folder).every((name) => cacheFolders.has(name));
}

function is(kind: "file" | "folder", path: string): boolean {
  try {
    const found = lstatSync(path);
    return kind === "file" ? found.isFile() : found.isDirectory();
  } catch {
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
