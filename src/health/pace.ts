/** Work in slices: a server answers meanwhile, and what looks at thousands of files takes a small share of its time. */
import { setImmediate, setTimeout as sleep } from "node:timers/promises";

export interface Pace {
  /** Ends the slice where it has lasted long enough. */
  readonly breathe: () => Promise<void>;
  /** Whether the content of a file of that size may be read in this pass. */
  readonly mayRead: (bytes: number) => boolean;
  /** Whether all was read that there was to read. */
  readonly isWhole: () => boolean;
  /** Milliseconds of work. */
  readonly worked: () => number;
}

// Milliseconds of work at a stretch.
const slice = 4;
// Of the time, in the background.
const share = 1 / 10;
// Bytes that whoever asks waits for, and that are read before what was found is told.
const mostAtOnce = 4 * 1024 * 1024;
const mostInBackground = 64 * 1024 * 1024;

/** For whoever waits for it. */
export function atOnce(most = mostAtOnce): Pace {
  return pace(most, async () => setImmediate());
}

/** For nobody in particular. @param signal ends it */
export function inBackground(signal: AbortSignal): Pace {
  return pace(mostInBackground, async (worked) => sleep(worked * (1 / share - 1), undefined, { signal, ref: false }));
}

/** @param most bytes; a file that is larger may be the last one */
function pace(most: number, rest: (worked: number) => Promise<void>): Pace {
  let began = performance.now();
  let before = 0;
  let left = most;
  let hasRefused = false;
  return {
    breathe: async () => {
      const worked = performance.now() - began;
      if (worked < slice) return;
      before += worked;
      await rest(worked);
      began = performance.now();
    },
    mayRead: (bytes) => {
      const may = left > 0;
      if (may) left -= bytes;
      else hasRefused = true;
      return may;
    },
    isWhole: () => !hasRefused,
    worked: () => before + performance.now() - began,
  };
}
