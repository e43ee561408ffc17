/**
 * What a git that was killed leaves in a repository: lock files, which make every later git refuse to write, and halves
 * of packs. Call it only while holding the writers' lock: then no git of ours is at work, and nobody else writes here.
 */
import type { Place } from "../disk/place.ts";

export async function removeGitLeftovers(repository: Place): Promise<void> {
  const isLock = (name: string) => name.endsWith(".lock");
  await removeFiles(repository, isLock);
  await removeFilesBelow(repository.at("refs"), isLock);
  await removeFiles(repository.at("objects/info"), isLock);
  const packs = repository.at("objects/pack");
  const names = new Set((await packs.allEntries()).map(({ name }) => name));
  // A pack has its name before its index, and is kept from repacking until a ref leads to it.
  const isHalf = (name: string) => name.endsWith(".pack") && !names.has(name.replace(/\.pack$/, ".idx"));
  await removeFiles(packs, (name) => /^\.?tmp[-_]/.test(name) || /\.(?:lock|keep)$/.test(name) || isHalf(name));
}

async function removeFiles(folder: Place, isLeftover: (name: string) => boolean): Promise<void> {
  for (const { name, kind } of await folder.allEntries()) {
    if (kind === "file" && isLeftover(name)) await folder.at(name).remove();
  }
}

async function removeFilesBelow(folder: Place, isLeftover: (name: string) => boolean): Promise<void> {
  await removeFiles(folder, isLeftover);
  for (const { name, kind } of await folder.allEntries()) {
    if (kind === "folder") await removeFilesBelow(folder.at(name), isLeftover);
  }
}
