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
    const part = parsePackName(name);
    if (part === undefined) continue;
    const isWhole = await endsWithItsHash(folder.at(name), part, { signal }).catch((error: unknown) => {
      // A sync in another process has just put everything into a new pack.
      if (!folder.at(name).isFile() || hasErrno(error, "ENOENT")) return true;
      throw error;
    });
    if (!isWhole) return `the ${part.kind} ${name} is damaged`;
  }
  return undefined;
}

export interface PackPart {
  readonly kind: "pack" | "index";
  readonly id: string;
  readonly algorithm: "sha1" | "sha256";
}

/** `pack-0f1e….idx`: the length of the name tells the repository's hash. @returns undefined for any other name */
export function parsePackName(name: string): PackPart | undefined {
  const [, id, suffix] = /^pack-([0-9a-f]{40}|[0-9a-f]{64})\.(pack|idx)$/.exec(name) ?? [];
  if (id === undefined) return undefined;
  return { kind: suffix === "idx" ? "index" : "pack", id, algorithm: id.length === 64 ? "sha256" : "sha1" };
}

/** Bytes of a hash. */
export function lengthOfHash({ algorithm }: Pick<PackPart, "algorithm">): number {
  return algorithm === "sha1" ? 20 : 32;
}

interface Reading {
  readonly signal?: AbortSignal;
  /** Called between chunks of a megabyte, and waited for. */
  readonly onChunk?: () => Promise<void>;
}

export async function endsWithItsHash(file: Place, part: PackPart, { signal, onChunk }: Reading): Promise<boolean> {
  const hash = createHash(part.algorithm);
  const length = lengthOfHash(part);
  let last: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file.verifiedPath(), { signal, highWaterMark: 1024 * 1024 })) {
    await onChunk?.();
    const bytes = last.length === 0 ? (chunk as Buffer) : Buffer.concat([last, chunk as Buffer]);
    const end = Math.max(0, bytes.length - length);
    hash.update(bytes.subarray(0, end));
    last = bytes.subarray(end);
  }
  return last.length === length && hash.digest().equals(last);
}
