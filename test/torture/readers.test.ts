/** A million inputs that are nearly right, over all readers: `INPUTS=1000000`, `SEED=…` for others. docs/reliability.md */
import { expect, test } from "vitest";
import { feed } from "../support/read-nearly.ts";
import { readers } from "../support/readers.ts";
import { tell } from "./tell.ts";

const all = Object.entries(readers);
const each = Math.ceil(Number(process.env["INPUTS"] ?? 1_000_000) / all.length);
const seed = Number(process.env["SEED"] ?? 1);

test.each(all)(
  "%s",
  (name, reader) => {
    const before = memory();
    const fed = feed(reader, each, seed);
    const grown = memory() - before;
    tell(`readers: ${name}`, { ...fed, grownMiB: grown });
    expect(fed.taken + fed.refused).toBe(each);
    expect(fed.taken).toBeGreaterThan(0);
    expect(grown).toBeLessThan(200);
  },
  3_600_000,
);

/** What is left of it, MiB. */
function memory(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 1024 / 1024);
}
