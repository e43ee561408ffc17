/** Chance that comes again: what is drawn follows from a text, and from nothing else. */
import { createHash } from "node:crypto";

/** Numbers from 0 to 1, always the same ones for the same text. */
export function chances(text: string): () => number {
  let drawn = 0;
  return () =>
    createHash("sha256")
      .update(`${text} ${(drawn += 1)}`)
      .digest()
      .readUInt32BE() /
    2 ** 32;
}
