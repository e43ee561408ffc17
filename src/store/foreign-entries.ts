/**
 * What lies in a mirror and is neither a regular file nor a folder: links, mostly. Nothing of it is read, written or
 * served, so whoever put it there has to be told, by every command: what used to work through a link does so no longer.
 */
import type { Place } from "../disk/place.ts";
import { foreignBelow, type Foreign } from "../disk/walk.ts";
import type { StorePaths } from "./paths.ts";

export interface ForeignEntry extends Foreign {
  /** For clients, who need not know where the mirror lies: `hex/packages` */
  readonly shown: string;
  /** Which option says where the whole folder is, instead. */
  readonly option: string | undefined;
}

const inMirror = [
  "mirror.json",
  ".gitignore",
  ".gitattributes",
  ".lock",
  "locks",
  "upstream",
  "added",
  "files",
  "files.json",
];
const inRegistry = ["public_key", "names", "versions", "packages", "tarballs", "docs", "installs", "repos", "policies"];
// What is only read there may be a link.
const inCerts = [".lock", "public"];
const inCache = ["git-answers", "index", "clients", "pulled"];

/** In all rooms of the mirror, sorted. The key may be a link, and so may a root that leads to what is one already. */
export async function foreignEntries(paths: StorePaths): Promise<ForeignEntry[]> {
  const { mirror, hex, git, certs, cache } = paths;
  const rooms: [string, Place, Place[]][] = [
    ["", mirror, inMirror.map((name) => mirror.at(name))],
    ["hex", hex, inRegistry.map((name) => hex.at(name))],
    ["git", git, [git]],
    ["certs", certs, inCerts.map((name) => certs.at(name))],
    ["cache", cache, inCache.map((name) => cache.at(name))],
  ];
  const found = new Map<string, ForeignEntry>();
  for (const [room, root, places] of rooms) {
    const add = ({ path, why }: Foreign) => {
      const below = path === root.path ? "" : path.slice(root.path.length + 1);
      const shown = [room, below].filter((part) => part !== "").join("/") || "the mirror's folder";
      found.set(path, { path, why, shown, option: root.option });
    };
    (await foreignBelow(root, () => true)).forEach(add);
    for (const place of places) (await foreignBelow(place, isOurs)).forEach(add);
    // What was put aside is not looked into: it is there because it is damaged.
    if (root === mirror) (await foreignBelow(paths.quarantine, () => true)).forEach(add);
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What a repository's hooks are is never looked at, and Hex's packages and documentation are links that we make. */
function isOurs(path: string): boolean {
  return path.endsWith(".git/hooks") || /\/clients\/[^/]+\/hex\/(?:packages|docs)$/.test(path);
}
