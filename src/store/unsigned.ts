/**
 * Packages whose files have changed and that are not signed anew yet: noted before the first of them is touched, so that
 * whoever takes the writers' lock next finishes what a killed process began. Stands beside that lock.
 */
import * as z from "zod";
import { isPackageName, isRepositoryName } from "../names/hex-names.ts";
import type { StorePaths } from "./paths.ts";

const schema = z.record(z.string().refine(isRepositoryName), z.array(z.string().refine(isPackageName)));

/** Names of packages, by Hex repository. */
export type Packages = ReadonlyMap<string, ReadonlySet<string>>;

/** None where nothing is noted, or nothing that can be read: the next build signs all that there is. */
export async function readUnsigned(paths: StorePaths): Promise<Packages> {
  const text = (await paths.unsigned.read().catch(() => undefined))?.toString("utf8");
  if (text === undefined) return new Map();
  try {
    return new Map(Object.entries(schema.parse(JSON.parse(text))).map(([name, packages]) => [name, new Set(packages)]));
  } catch {
    return new Map();
  }
}

export async function noteUnsigned(paths: StorePaths, packages: Packages): Promise<void> {
  if (packages.size === 0) {
    await paths.unsigned.remove();
    return;
  }
  const sorted = [...packages].sort(([a], [b]) => (a < b ? -1 : 1));
  const content = Object.fromEntries(sorted.map(([repository, names]) => [repository, [...names].sort()]));
  const text = `${JSON.stringify(content, null, 1)}\n`;
  if (await paths.unsigned.contains(text)) return;
  // A power cut may lose it, and with it no more than that a sync has to be asked for.
  await (await paths.unsigned.stage(text)).moveTo(paths.unsigned);
}
