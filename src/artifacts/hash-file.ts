/** The digests of files, read as they lie. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Place } from "../disk/place.ts";

/** @returns 64 hex digits @throws MirrorError `storage`, a system error */
export async function hashFile(file: Place): Promise<string> {
  return (await digest(file, "sha256")).toString("hex");
}

export async function digest(file: Place, algorithm: "sha256" | "sha512"): Promise<Buffer> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file.verifiedPath()), hash);
  return hash.digest();
}
