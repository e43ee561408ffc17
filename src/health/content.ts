/**
 * Is a file's content what it should be? Read and hashed once, and again when the file has another stamp; what was found
 * is kept in the cache folder, so that the next start need not read it all again.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { stampFrom, type Stamped } from "../disk/stamp.ts";
import { endsWithItsHash, type PackPart } from "../git/check-packs.ts";
import type { Pace } from "./pace.ts";

export interface Content {
  /** SHA-256 in hex digits; undefined while it was not read yet. @throws a system error */
  readonly sha256: (place: Place, stats: Stamped, pace: Pace) => Promise<string | undefined>;
  /** Whether a pack or an index ends with the hash of all that stands before; likewise. */
  readonly isWholePack: (place: Place, part: PackPart, stats: Stamped, pace: Pace) => Promise<boolean | undefined>;
  /** Keeps what was found. @param isWhole whether all was asked for, and what was not is gone */
  readonly save: (isWhole: boolean) => Promise<void>;
}

/** @param folder what is looked at; each has an index of its own */
export async function openContent(cache: Place, folder: string): Promise<Content> {
  const parse = (value: unknown) => (typeof value === "string" ? value : undefined);
  const index = await FileIndex.open(cache, { folder: `content ${folder}`, parse });
  const known = async (place: Place, stats: Stamped, pace: Pace, read: () => Promise<string>) => {
    const stamp = stampFrom(stats);
    const found = index.known(place.path, stamp);
    if (found !== undefined) return found;
    if (!pace.mayRead(stats.size)) return undefined;
    const value = await read();
    // What was replaced while it was read is read again.
    const now = place.isFile() ? place.look() : undefined;
    if (now === undefined || stampFrom(now) !== stamp) return undefined;
    index.set(place.path, stamp, value);
    return value;
  };
  return {
    sha256: async (place, stats, pace) => known(place, stats, pace, async () => sha256Of(place, pace)),
    isWholePack: async (place, part, stats, pace) => {
      const found = await known(place, stats, pace, async () =>
        (await endsWithItsHash(place, part, { onChunk: pace.breathe })) ? "whole" : "damaged",
      );
      return found === undefined ? undefined : found === "whole";
    },
    save: async (isWhole) => index.save({ isWhole }),
  };
}

async function sha256Of(place: Place, { breathe }: Pace): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(place.verifiedPath(), { highWaterMark: 256 * 1024 })) {
    hash.update(chunk as Buffer);
    await breathe();
  }
  return hash.digest("hex");
}
