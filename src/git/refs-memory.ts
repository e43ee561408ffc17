/** Small answers, whole: lists of refs, from memory, or from one run of git for all who ask meanwhile. */
import { LRUCache } from "lru-cache";
import { Flights, type Ask, type Asking } from "./flights.ts";
import { ofBuffer, readAll } from "./git-answers.ts";
import type { GitAnswer } from "./upload-pack.ts";

// 20,000 refs are 1.3 MB. Bytes.
const memorySize = 32 * 1024 * 1024;
const maxAnswerSize = 8 * 1024 * 1024;

/** @param isCurrent whether the answer still is what git would say: else it is not kept */
export type RefsMemory = (key: string, asking: Asking, isCurrent: () => boolean, ask: Ask) => Promise<GitAnswer>;

export function createRefsMemory(): RefsMemory {
  const memory = new LRUCache<string, Buffer>({ maxSize: memorySize, sizeCalculation: ({ length }) => length + 1 });
  const reading = new Flights<Buffer>();
  return async (key, asking, isCurrent, ask) => {
    const known = memory.get(key);
    if (known !== undefined) return ofBuffer(known);
    const work = reading.join(key, asking, async (stop, clients) => {
      const { bytes, succeeded } = await readAll(await ask(stop, clients));
      if (succeeded && bytes.length <= maxAnswerSize && isCurrent()) memory.set(key, bytes);
      return bytes;
    });
    return ofBuffer(await work.join(asking.signal));
  };
}
