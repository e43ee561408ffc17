/**
 * What a git that was killed leaves in a repository: lock files, which make every later git refuse to write, and halves
 * of packs. Call it only while holding the writers' lock: then no git of ours is at work, and nobody else writes here.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

export async function removeGitLeftovers(dir: string): Promise<void> {
  await removeWhere(dir, (name) => name.endsWith(".lock"));
  await removeWhere(join(dir, "refs"), (name) => name.endsWith(".lock"));
  await removeWhere(join(dir, "objects", "info"), (name) => name.endsWith(".lock"));
  const packs = join(dir, "objects", "pack");
  const names = new Set(await readdir(packs).catch(() => []));
  // A pack has its name before its index, and is kept from repacking until a ref leads to it.
  const isHalf = (name: string) => name.endsWith(".pack") && !names.has(name.replace(/\.pack$/, ".idx"));
  const isLeftover = (name: string) => /^\.?tmp[-_]/.test(name) || /\.(?:lock|keep)$/.test(name) || isHalf(name);
  await removeWhere(packs, isLeftover);
}

async function removeWhere(dir: string, isLeftover: (name: string) => boolean): Promise<void> {
  const names = await readdir(dir, { recursive: dir.endsWith("refs") }).catch(() => []);
  await Promise.all(names.filter(isLeftover).map((name) => rm(join(dir, name), { force: true })));
}
