/** Has the disk keep what was written, before it gets the name by which it counts. */
import { open } from "node:fs/promises";
import pLimit from "p-limit";
import type { Place } from "./place.ts";
import { filesBelow } from "./walk.ts";

// At once: a disk takes many with one turn.
const atOnce = 32;

/** @throws MirrorError `storage`, a system error */
export async function syncFile(file: Place): Promise<void> {
  const opened = await open(file.verifiedPath(), "r+");
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** Every file below a folder. @throws likewise */
export async function syncBelow(folder: Place): Promise<void> {
  const files: Place[] = [];
  for await (const file of filesBelow(folder, true)) files.push(file);
  const limit = pLimit(atOnce);
  await Promise.all(files.map(async (file) => limit(async () => syncFile(file))));
}
