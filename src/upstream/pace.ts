/** Whether an answer moves: ended where nothing, or too little, or too slowly for its size arrives. */
import { performance } from "node:perf_hooks";
import type { Limits } from "./limits.ts";

export interface Pace {
  /** So many bytes have arrived. */
  readonly add: (bytes: number) => void;
  readonly stop: () => void;
}

/**
 * @param size of the whole in bytes, where it is known
 * @param onSlow called once, with the reason as the end of a sentence about the answer
 */
export function watchPace(
  { window, lowestSpeed, leastTime, slowestAverage }: Limits,
  size: number,
  onSlow: (reason: string) => void,
): Pace {
  const began = performance.now();
  const every = Math.min(1000, (window * 1000) / 4);
  const samples: { readonly at: number; readonly bytes: number }[] = [];
  let bytes = 0;
  let last = began;
  const timer = setInterval(() => {
    const now = performance.now();
    samples.push({ at: now, bytes });
    while (samples.length > 1 && (samples[1]?.at ?? now) <= now - window * 1000) samples.shift();
    const [first] = samples;
    const isWholeWindow = now - began >= window * 1000;
    const since = first !== undefined && now - first.at >= window * 900 ? first.bytes : 0;
    const seconds = (now - began) / 1000;
    if (isWholeWindow && bytes - since < lowestSpeed * window) {
      onSlow(
        now - last > window * 900 ? `stood still for ${window} s` : `came at less than ${lowestSpeed} bytes a second`,
      );
    } else if (seconds > leastTime + Math.max(size, bytes) / slowestAverage) {
      onSlow(`took longer than ${Math.round(seconds)} s for ${bytes} bytes`);
    } else return;
    clearInterval(timer);
  }, every).unref();
  return {
    add: (count) => {
      bytes += count;
      last = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}
