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

/** Whether each line of `packed-refs` is one: half a file ends within a name or an id. */
export function arePackedRefsWhole(place: Place): boolean {
  return readPackedRefs(place).isWhole;
}

interface PackedRefs {
  readonly stamp: string;
  readonly refs: ReadonlyMap<string, string>;
  readonly isWhole: boolean;
}

const none: PackedRefs = { stamp: "", refs: new Map(), isWhole: true };
const remembered = new LRUCache<string, PackedRefs>({ max: 500 });
const line = /^(?:#.*|\^?[0-9a-f]{40}(?:[0-9a-f]{24})?(?: refs\/.+)?)$/;

function packedRefs(place: Place): ReadonlyMap<string, string> {
  return readPackedRefs(place).refs;
}

function readPackedRefs(place: Place): PackedRefs {
  const file = place.at("packed-refs");
  const stats = file.isFile() ? file.look() : undefined;
  if (stats === undefined) return none;
  const stamp = stampFrom(stats);
  const known = remembered.get(file.path);
  if (known?.stamp === stamp) return known;
  const text = textOf(file);
  const lines = text.split("\n");
  // The last line is ended, too.
  const isEnded = lines.pop() === "";
  const refs = new Map<string, string>();
  for (const each of lines) {
    const [, id, name] = /^([0-9a-f]+) (refs\/\S+)$/.exec(each) ?? [];
    if (id !== undefined && name !== undefined) refs.set(name, id);
  }
  const read = { stamp, refs, isWhole: isEnded && lines.every((each) => line.test(each)) };
  remembered.set(file.path, read);
  return read;
}

function textOf(file: Place): string {
  return file.isFile() ? file.readNow().toString("utf8") : "";
}
