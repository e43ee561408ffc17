/** The refs of a bare repository, read without git, where they are files. https://git-scm.com/docs/gitrepository-layout */
import { LRUCache } from "lru-cache";
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";

/** What HEAD names: a branch, here or not; undefined: a commit, a name that is no text, or what only git can read. */
export function headOf(place: Place): string | undefined {
  const head = /^ref:\s*(refs\/\S+)/.exec(textOf(place.at("HEAD")))?.[1];
  // Where the refs are in tables, HEAD says no more than that.
  return head === "refs/heads/.invalid" || head?.includes("\uFFFD") === true ? undefined : head;
}

/** Whether there is a ref of that name. */
export function hasRef(place: Place, name: string): boolean {
  try {
    return place.at(name).isFile() || packedRefs(place).has(name);
  } catch {
    return false;
  }
}

/** Branches and tags by full name; undefined where only git can read them. */
export async function branchesAndTags(place: Place): Promise<Map<string, string> | undefined> {
  if (place.at("reftable").isFolder()) return undefined;
  const isShown = (name: string) => name.startsWith("refs/heads/") || name.startsWith("refs/tags/");
  const refs = new Map([...packedRefs(place)].filter(([name]) => isShown(name)));
  for (const below of ["refs/heads", "refs/tags"]) await collectLoose(place.at(below), below, refs);
  return refs;
}

async function collectLoose(folder: Place, name: string, refs: Map<string, string>): Promise<void> {
  for (const entry of await folder.entries()) {
    const place = folder.at(entry.name);
    if (entry.kind === "folder") await collectLoose(place, `${name}/${entry.name}`, refs);
    else if (entry.kind === "file") refs.set(`${name}/${entry.name}`, textOf(place).trim());
  }
}

const remembered = new LRUCache<string, { readonly stamp: string; readonly refs: ReadonlyMap<string, string> }>({
  max: 500,
});

function packedRefs(place: Place): ReadonlyMap<string, string> {
  const file = place.at("packed-refs");
  const stats = file.isFile() ? file.look() : undefined;
  if (stats === undefined) return new Map();
  const stamp = stampFrom(stats);
  const known = remembered.get(file.path);
  if (known?.stamp === stamp) return known.refs;
  const refs = new Map<string, string>();
  for (const line of textOf(file).split("\n")) {
    const [, id, name] = /^([0-9a-f]+) (refs\/\S+)$/.exec(line) ?? [];
    if (id !== undefined && name !== undefined) refs.set(name, id);
  }
  remembered.set(file.path, { stamp, refs });
  return refs;
}

function textOf(file: Place): string {
  return file.isFile() ? file.readNow().toString("utf8") : "";
}
