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
const maxNames = 20_000;

/** Folders of folders and bare repositories, and nothing else near the top: what people work in is none. */
export function holdsRepositories(folder: string): boolean {
  let seen = 0;
  const find = (parent: string, depth: number): boolean => {
    for (const name of namesIn(parent)) {
      const path = join(parent, name);
      if (++seen > maxNames || name.startsWith(".")) continue;
      if (name.endsWith(".git") ? isBare(path) : depth > 1 && is("folder", path) && find(path, depth - 1)) return true;
    }
    return false;
  };
  const visible = namesIn(folder).filter((name) => !name.startsWith(".") || name === ".git");
  const near = [folder, ...visible.map((name) => join(folder, name))];
  const isOurs = near.every((path) => is("folder", path) && !namesIn(path).includes(".git"));
  return isOurs && find(folder, maxDepth);
}

function isBare(path: string): boolean {
  const has = (kind: "file" | "folder", name: string) => is(kind, join(path, name));
  return has("file", "HEAD") && has("folder", "objects") && (has("folder", "refs") || has("file", "packed-refs"));
}

const cacheFolders = new Set(["clients", "git-answers", "index", "pulled"]);

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
