/** Each job that writes, killed at hundreds of points: `KILLS=300` a job, `SEED=…` for other points. docs/reliability.md */
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { names } from "../support/kills/scenarios.ts";
import { torment } from "../support/kills/torment.ts";
import { tell } from "./tell.ts";

const points = Number(process.env["KILLS"] ?? 300);
const seed = process.env["SEED"] ?? "1";

test.each(names)(
  "%s",
  async (name) => {
    const { wrong, ...figures } = await torment(name, await temporaryFolder(), points, seed);
    tell(`kills: ${name}`, { ...figures, wrong: wrong.length });
    expect(wrong).toEqual([]);
    expect(figures.killed).toBeGreaterThan(points / 2);
  },
  3_600_000,
);
