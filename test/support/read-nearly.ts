/** Feeds one reader with inputs that are nearly right, and tells what came of it. */
import * as fc from "fast-check";
import { MirrorError } from "../../src/errors.ts";
import { nearly } from "./mutations.ts";
import type { Reader } from "./readers.ts";

export interface Fed {
  readonly inputs: number;
  readonly taken: number;
  readonly refused: number;
  /** Of one input, milliseconds of work. */
  readonly longest: number;
}

// Of work, so that it does not matter what else the machine does. No input is larger than some hundred kilobytes.
const patience = 5000;

/** @throws what fast-check says of an input that the reader neither took nor refused, or was busy with for too long */
export function feed({ samples, read }: Reader, inputs: number, seed: number): Fed {
  let [taken, refused, longest] = [0, 0, 0];
  const survives = (bytes: Buffer) => {
    const began = process.cpuUsage();
    try {
      read(bytes);
      taken += 1;
    } catch (error) {
      if (!(error instanceof MirrorError)) throw error;
      refused += 1;
    }
    const { user, system } = process.cpuUsage(began);
    const took = (user + system) / 1000;
    longest = Math.max(longest, took);
    if (took > patience) throw new Error(`it took ${took} ms`);
  };
  fc.assert(fc.property(nearly(samples), survives), { numRuns: inputs, seed });
  return { inputs, taken, refused, longest: Math.round(longest) };
}
