/** The digests of files, read as they lie. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";

/** Remembers what files of a folder hash to, by `hashFile`, for as long as they stay what they are. */
export async function openHashes(cache: Place, folder: string): Promise<FileIndex<string>> {
  return FileIndex.open(cache, { folder, parse: (value) => (typeof value === "string" ? value : undefined) });
}

/** @returns 64 hex digits @throws MirrorError `storage`, a system error */
export async function hashFile(file: Place): Promise<string> {
  return (await digest(file, "sha256")).toString("hex");
}

export async function digest(file: Place, algorithm: "sha256" | "sha512"): Promise<Buffer> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file.verifiedPath()), hash);
  return hash.digest();
}
