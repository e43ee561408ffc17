/**
 * What lies in a mirror and is neither a regular file nor a folder: links, mostly. Nothing of it is read, written or
 * served, so whoever put it there has to be told, by every command: what used to work through a link does so no longer.
 */
import { lstatSync } from "node:fs";
import type { Place } from "../disk/place.ts";
import { foreignBelow } from "../disk/walk.ts";
import type { StorePaths } from "./paths.ts";

export interface ForeignEntry {
  readonly path: string;
  /** For clients, who need not know where the mirror lies: `hex/packages` */
  readonly shown: string;
  /** `a link`, or `neither a file nor a folder` */
  readonly kind: string;
  /** Which option says where the whole folder is, instead. */
  readonly option: string | undefined;
}

const inMirror = ["mirror.json", ".gitignore", ".gitattributes", ".lock", "locks", "upstream", "files", "files.json"];
const inRegistry = ["public_key", "names", "versions", "packages", "tarballs", "docs", "installs", "repos", "policies"];
// What is only read there may be a link.
const inCerts = [".lock", "public"];
const inCache = ["git-answers", "index", "clients"];

/** In all rooms of the mirror, sorted. The key may be a link, and so may a root that leads to what is one already. */
export async function foreignEntries(paths: StorePaths): Promise<ForeignEntry[]> {
  const rooms: [string, Place[]][] = [
    ["", inMirror.map((name) => paths.mirror.at(name))],
    // What was put aside is not looked into: it is there because it is damaged.
    ["", [paths.quarantine]],
    ["hex/", inRegistry.map((name) => paths.hex.at(name))],
    ["git/", isBarred(paths.git) ? [] : [paths.git]],
    ["certs/", inCerts.map((name) => paths.certs.at(name))],
    ["cache/", inCache.map((name) => paths.cache.at(name))],
  ];
  const found: ForeignEntry[] = [];
  for (const root of [paths.mirror, paths.hex, paths.git, paths.certs, paths.cache]) {
    if (isBarred(root)) found.push({ path: root.path, shown: root.path, kind: "a link", option: root.option });
  }
  for (const [room, places] of rooms) {
    for (const place of places) {
      const isWhole = place.path !== paths.quarantine.path;
      const foreign = await foreignBelow(place, isWhole ? isOurs : () => true);
      for (const path of foreign) {
        const root = place.path.slice(0, place.path.length - place.below.length);
        const below = path.slice(root.length).replace(/^\//, "");
        found.push({ path, shown: `${room}${below}`, kind: kindOf(path), option: place.option });
      }
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A link to what is none of ours. */
function isBarred(root: Place): boolean {
  try {
    root.look();
    return false;
  } catch {
    return true;
  }
}

/** What a repository's hooks are is never looked at, and the folder of Hex's packages is a link that we make. */
function isOurs(path: string): boolean {
  return path.endsWith(".git/hooks") || /\/clients\/[^/]+\/hex\/packages$/.test(path);
}

function kindOf(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === false
    ? "neither a file nor a folder"
    : "a link";
}
