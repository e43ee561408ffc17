/** Packages of hexpm's of which the mirror has a record and no release: each stands for an optional dependency of another. */
import { isPackageName } from "../names/hex-names.ts";
import { hexpm } from "../names/hex-repository.ts";
import { listTarballs } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";

export async function withoutReleases(paths: StorePaths, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const registry = paths.registry(hexpm);
  const held = new Set((await listTarballs(registry)).map(({ name }) => name));
  return names.filter((name) => isPackageName(name) && !held.has(name) && registry.packagesDir.at(name).isFile());
}
