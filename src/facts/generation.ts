/**
 * Which state of a mirror this is, so that servers of one mirror can be told from those that are behind: what its registry lists,
 * and what its locks name. The same on whatever machine, and whatever came to it by hand.
 */
import { createHash } from "node:crypto";
import { hexpm } from "../names/hex-repository.ts";
import type { StorePaths } from "../store/paths.ts";

/** 12 hex digits. */
export async function generationOf(paths: StorePaths): Promise<string> {
  const { knownLocksDir } = paths;
  const locks = (await knownLocksDir.list("file").catch(() => [])).map((name) => knownLocksDir.at(name));
  const hash = createHash("sha256");
  for (const place of [paths.registry(hexpm).resource("versions"), ...locks]) {
    const bytes = (await place.read().catch(() => undefined)) ?? Buffer.alloc(0);
    hash.update(`${place.name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex").slice(0, 12);
}
