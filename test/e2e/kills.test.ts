/** Each job that writes, killed at some points of those at which test/torture/kills.test.ts kills it. */
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { names } from "../support/kills/scenarios.ts";
import { torment } from "../support/kills/torment.ts";

test.each(names)(
  "%s",
  async (name) => {
    const { wrong, killed } = await torment(name, await temporaryFolder(), 6, String(Date.now()));
    expect(wrong).toEqual([]);
    expect(killed).toBeGreaterThan(0);
  },
  120_000,
);
