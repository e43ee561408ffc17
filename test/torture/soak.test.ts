/** Half an hour of everything at once: `SOAK=1800` seconds, `CROWD=5000` idle connections, `SEED=…`. docs/reliability.md */
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { soak } from "../support/soak/soak.ts";
import { tell } from "./tell.ts";

const seconds = Number(process.env["SOAK"] ?? 1800);
const crowd = Number(process.env["CROWD"] ?? 5000);
const seed = process.env["SEED"] ?? "1";

test.each([
  ["one process", []],
  ["two workers", ["--workers", "2"]],
])(
  "%s",
  async (what, options) => {
    const { failed, hostile, memory, ...figures } = await soak(await temporaryFolder(), {
      seconds: seconds / 2,
      crowd,
      seed,
      options,
    });
    const visits = Object.values(hostile).reduce((sum, count) => sum + count, 0);
    tell(`soak: ${what}`, { ...figures, failed: failed.length, hostile: visits, memory: memory.join(" ") });
    expect(failed).toEqual([]);
    expect(figures.idleAfter).toBeLessThan(10);
    // In a shorter one it has not come to rest.
    const [, second = 0, , , , last = 0] = memory;
    expect(last).toBeLessThan(seconds < 600 ? Infinity : second * 1.25 + 10);
  },
  (seconds + 300) * 1000,
);
