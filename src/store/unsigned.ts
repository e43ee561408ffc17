/**
 * Packages whose files have changed and that are not signed anew yet: noted before the first of them is touched, so that
 * whoever takes the writers' lock next finishes what a killed process began. Stands beside that lock.
 */
import * as z from "zod";
import { isPackageName, isRepositoryName } from "../names/hex-names.ts";
import { jsonText, readJson } from "./json-file.ts";
import type { StorePaths } from "./paths.ts";

const schema = z.record(z.string().refine(isRepositoryName), z.array(z.string().refine(isPackageName)));

/** Names of packages, by Hex repository. */
export type Packages = ReadonlyMap<string, ReadonlySet<string>>;

/** What either names. */
export function unite(one: Packages, other: Packages): Map<string, Set<string>> {
  const all = new Map([...one].map(([repository, names]) => [repository, new Set(names)]));
  for (const [repository, names] of other) all.set(repository, new Set([...(all.get(repository) ?? []), ...names]));
  return all;
}

/** None where nothing is noted, or nothing that can be read: the next build signs all that there is. */
export async function readUnsigned({ unsigned: place }: StorePaths): Promise<Packages> {
  const noted = await readJson({ place, schema, whenDamaged: "counts as none" }).catch(() => undefined);
  return new Map(Object.entries(noted ?? {}).map(([repository, packages]) => [repository, new Set(packages)]));
}

export async function noteUnsigned(paths: StorePaths, packages: Packages): Promise<void> {
  if (packages.size === 0) {
    await paths.unsigned.remove();
    return;
  }
  const sorted = [...packages].sort(([a], [b]) => (a < b ? -1 : 1));
  const content = Object.fromEntries(sorted.map(([repository, names]) => [repository, [...names].sort()]));
  const text = jsonText(content);
  if (await paths.unsigned.contains(text)) return;
  // A power cut may lose it, and with it no more than that a sync has to be asked for.
  await (await paths.unsigned.stage(text)).moveTo(paths.unsigned);
}
