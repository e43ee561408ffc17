/**
 * Are the packs of a repository as git wrote them? Each pack and each index ends with a hash of all that stands before,
 * so that reading them once finds a flipped bit anywhere, in objects too that no locked commit needs: clients fetch all.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Place } from "../disk/place.ts";
import { hasErrno } from "../errors.ts";

/** @returns what is wrong with the first that is damaged; undefined when all are whole */
export async function packDamage(repository: Place, signal: AbortSignal): Promise<string | undefined> {
  const folder = repository.at("objects/pack");
  for (const name of await folder.list("file")) {
    const [, id = "", kind = ""] = /^pack-([0-9a-f]{40}|[0-9a-f]{64})\.(pack|idx)$/.exec(name) ?? [];
    if (kind === "") continue;
    // The length of the name tells the repository's hash.
    const algorithm = id.length === 64 ? "sha256" : "sha1";
    const isWhole = await endsWithItsHash(folder.at(name), algorithm, signal).catch((error: unknown) => {
      // A sync in another process has just put everything into a new pack.
      if (!folder.at(name).isFile() || hasErrno(error, "ENOENT")) return true;
      throw error;
    });
    if (!isWhole) return `the ${kind === "idx" ? "index" : "pack"} ${name} is damaged`;
  }
  return undefined;
}

async function endsWithItsHash(file: Place, algorithm: "sha1" | "sha256", signal: AbortSignal): Promise<boolean> {
  const hash = createHash(algorithm);
  const length = algorithm === "sha1" ? 20 : 32;
  let last: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file.verifiedPath(), { signal, highWaterMark: 1024 * 1024 })) {
    const bytes = last.length === 0 ? (chunk as Buffer) : Buffer.concat([last, chunk as Buffer]);
    const end = Math.max(0, bytes.length - length);
    hash.update(bytes.subarray(0, end));
    last = bytes.subarray(end);
  }
  return last.length === length && hash.digest().equals(last);
}
