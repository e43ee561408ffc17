/** Does a repository's HEAD lead to a commit? Where it leads nowhere, a clone of it comes without files. */
import { LRUCache } from "lru-cache";
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";

// Where the refs are in tables, only git can read them, and HEAD says no more than that.
const ofReftable = "refs/heads/.invalid";

/** @returns what is wrong, after the repository's name */
export async function headProblem(place: Place): Promise<string | undefined> {
  const head = /^ref:\s*(refs\/\S+)/.exec(textOf(place.at("HEAD")))?.[1];
  // A name that is no text can be looked up by git alone.
  if (head === undefined || head === ofReftable || head.includes("\uFFFD") || isRef(place, head)) return undefined;
  // A repository that is empty has none, and is none the worse for it.
  return (await hasRefs(place)) ? `has a HEAD that leads nowhere: there is no ${head}` : undefined;
}

function isRef(place: Place, name: string): boolean {
  try {
    return place.at(name).isFile() || packedRefs(place).has(name);
  } catch {
    return false;
  }
}

/** Branches and tags: whatever else we keep there is not what a clone looks for. */
async function hasRefs(place: Place): Promise<boolean> {
  const isBranch = (name: string) => name.startsWith("refs/heads/") || name.startsWith("refs/tags/");
  if ([...packedRefs(place)].some(isBranch)) return true;
  return (await hasFiles(place.at("refs/heads"))) || (await hasFiles(place.at("refs/tags")));
}

async function hasFiles(folder: Place): Promise<boolean> {
  for (const { name, kind } of await folder.entries()) {
    if (kind === "file" || (kind === "folder" && (await hasFiles(folder.at(name))))) return true;
  }
  return false;
}

const remembered = new LRUCache<string, { readonly stamp: string; readonly names: ReadonlySet<string> }>({ max: 500 });

function packedRefs(place: Place): ReadonlySet<string> {
  const file = place.at("packed-refs");
  const stats = file.isFile() ? file.look() : undefined;
  if (stats === undefined) return new Set();
  const stamp = stampFrom(stats);
  const known = remembered.get(file.path);
  if (known?.stamp === stamp) return known.names;
  const lines = textOf(file).split("\n");
  const names = new Set(lines.flatMap((line) => /^[0-9a-f]+ (refs\/\S+)$/.exec(line)?.[1] ?? []));
  remembered.set(file.path, { stamp, names });
  return names;
}

function textOf(file: Place): string {
  return file.isFile() ? file.readNow().toString("utf8") : "";
}
