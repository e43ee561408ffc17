/**
 * Large answers: packs, from disk, or from one run of git whose output goes to a file that all who ask read as it grows, and
 * that is kept when it is whole and still true.
 */
import type { GrowingFile } from "../disk/growing-file.ts";
import { OutputRefused } from "./answer-output.ts";
import type { AnswerStore } from "./answer-store.ts";
import { Flights, type Asking } from "./flights.ts";
import { ofFile, whenFilled } from "./git-answers.ts";
import type { GitAnswer } from "./upload-pack.ts";

// After a disk error, packs are not kept for a while. Milliseconds.
const pauseAfterFailure = 60_000;

/** Has git write to the file. As `GitUploadPack.answerInto`. @param clients all who wait for it, which grow while it waits */
export type Fill = (
  file: GrowingFile,
  signal: AbortSignal,
  clients: ReadonlySet<string>,
) => Promise<Pick<GitAnswer, "succeeded">>;

export interface KeptPacks {
  /** Not just after the disk has failed. */
  readonly isUsable: () => boolean;
  /** @returns undefined when the cache folder cannot be written just now */
  readonly answer: (
    key: string,
    asking: Asking,
    isCurrent: () => boolean,
    fill: Fill,
  ) => Promise<GitAnswer | undefined>;
}

/** @param onProblem told when the store fails; clients are served without it */
export function createKeptPacks(store: AnswerStore, onProblem: (error: unknown) => void): KeptPacks {
  const flights = new Flights<GrowingFile>();
  let pausedUntil = 0;
  const hasFailed = (error: unknown) => {
    pausedUntil = Date.now() + pauseAfterFailure;
    onProblem(error);
  };
  const fromGit = async (key: string, asking: Asking, isCurrent: () => boolean, fill: Fill): Promise<GitAnswer> => {
    const work = flights.join(
      key,
      asking,
      async (stop, clients, running) => {
        const file = await store.create(running.stop).catch((cause: unknown) => {
          hasFailed(cause);
          throw new StoreUnusable();
        });
        const filled = await fill(file, stop, clients).catch((error: unknown) => {
          if (!(error instanceof OutputRefused)) throw error;
          hasFailed(error);
          throw new StoreUnusable();
        });
        // Whoever comes once the answer is whole finds it on disk.
        void land(store, key, { file, filled, isCurrent, onWhole: running.forget }).catch(hasFailed);
        return file;
      },
      "until told",
    );
    return ofFile(await work.join(asking.signal));
  };
  return {
    isUsable: () => Date.now() >= pausedUntil,
    answer: async (key, asking, isCurrent, fill) => {
      const stored = flights.has(key) ? undefined : await store.find(key);
      if (stored !== undefined) return { output: stored.stream, size: stored.size, succeeded: Promise.resolve(true) };
      return fromGit(key, asking, isCurrent, fill).catch((error: unknown) => {
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
  readonly filled: Pick<GitAnswer, "succeeded">;
  readonly isCurrent: () => boolean;
  readonly onWhole: () => void;
}

/** Keeps git's output when it is whole and still true. @throws when the disk does not take it */
async function land(store: AnswerStore, key: string, { file, filled, isCurrent, onWhole }: Arriving): Promise<void> {
  try {
    await whenFilled(file, filled, async (succeeded) => {
      const keep = succeeded && isCurrent() && store.accepts(file.bytes);
      onWhole();
      await file.complete(keep ? store.pathOf(key) : undefined);
      if (keep) store.added(key, file.bytes);
    });
  } finally {
    onWhole();
  }
}
