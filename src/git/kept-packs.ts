/**
 * Large answers: packs, from disk, or from one run of git whose output goes to a file that all who ask read as it grows, and
 * that is kept when it is whole and still true.
 */
import type { GrowingFile } from "../disk/growing-file.ts";
import type { AnswerStore } from "./answer-store.ts";
import { Flights, type Ask, type Asking } from "./flights.ts";
import { asError, ofFile, pour } from "./git-answers.ts";
import type { GitAnswer } from "./upload-pack.ts";

// After a disk error, packs are not kept for a while. Milliseconds.
const pauseAfterFailure = 60_000;

export interface KeptPacks {
  /** Not just after the disk has failed. */
  readonly isUsable: () => boolean;
  /** @returns undefined when the cache folder cannot be written just now */
  readonly answer: (key: string, asking: Asking, isCurrent: () => boolean, ask: Ask) => Promise<GitAnswer | undefined>;
}

/** @param onProblem told when the store fails; clients are served without it */
export function createKeptPacks(store: AnswerStore, onProblem: (error: unknown) => void): KeptPacks {
  const flights = new Flights<GrowingFile>();
  let pausedUntil = 0;
  const hasFailed = (error: unknown) => {
    pausedUntil = Date.now() + pauseAfterFailure;
    onProblem(error);
  };
  const fromGit = async (key: string, asking: Asking, isCurrent: () => boolean, ask: Ask): Promise<GitAnswer> => {
    const work = flights.join(
      key,
      asking,
      async (stop, clients, running) => {
        const file = await store.create(running.stop).catch((cause: unknown) => {
          hasFailed(cause);
          throw new StoreUnusable();
        });
        const answer = await ask(stop, clients).catch(async (error: unknown) => {
          await file.fail(asError(error));
          throw error;
        });
        // Whoever comes once the answer is whole finds it on disk.
        void land(store, key, { file, answer, isCurrent, onWhole: running.forget }).catch(hasFailed);
        return file;
      },
      "until told",
    );
    return ofFile(await work.join(asking.signal));
  };
  return {
    isUsable: () => Date.now() >= pausedUntil,
    answer: async (key, asking, isCurrent, ask) => {
      const stored = flights.has(key) ? undefined : await store.find(key);
      if (stored !== undefined) return { output: stored.stream, size: stored.size, succeeded: Promise.resolve(true) };
      return fromGit(key, asking, isCurrent, ask).catch((error: unknown) => {
        if (error instanceof StoreUnusable) return undefined;
        throw error;
      });
    },
  };
}

/** The cache folder cannot be written just now. */
class StoreUnusable extends Error {}

interface Arriving {
  readonly file: GrowingFile;
  readonly answer: GitAnswer;
  readonly isCurrent: () => boolean;
  readonly onWhole: () => void;
}

/** Keeps git's output when it is whole and still true. @throws when the disk does not take it */
async function land(store: AnswerStore, key: string, { file, answer, isCurrent, onWhole }: Arriving): Promise<void> {
  try {
    await pour(file, answer, async (succeeded) => {
      const keep = succeeded && isCurrent() && store.accepts(file.bytes);
      onWhole();
      await file.complete(keep ? store.pathOf(key) : undefined);
      if (keep) store.added(key, file.bytes);
    });
  } finally {
    onWhole();
  }
}
