/**
 * Each job that writes, on machines that fail: `HARDSHIPS=20` times each, `SEED=…` for other degrees of it.
 * docs/reliability.md
 */
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { endure } from "../support/hardships/endure.ts";
import { canImpose, hardshipNames } from "../support/hardships/hardships.ts";
import { canSeparate, share } from "../support/hardships/two-machines.ts";
import { names } from "../support/kills/scenarios.ts";
import { tell } from "./tell.ts";

const tries = Number(process.env["HARDSHIPS"] ?? 20);
const seed = process.env["SEED"] ?? "1";
const each = hardshipNames.flatMap((hardship) => names.map((name) => ({ hardship, name })));

test.for(each)("$hardship: $name", { timeout: 3_600_000 }, async ({ hardship, name }, { skip }) => {
  skip(!canImpose(hardship), "it needs Linux, and root to mount");
  const { wrong, ...figures } = await endure(hardship, name, await temporaryFolder(), tries, seed);
  tell(`${hardship}: ${name}`, { ...figures, wrong: wrong.length });
  expect(wrong).toEqual([]);
});

test.for(names)("two machines on one folder: %s", { timeout: 3_600_000 }, async (name, { skip }) => {
  skip(!canSeparate, "two machines need Linux, and root to be separated");
  const { wrong, ...figures } = await share(name, await temporaryFolder(), tries, seed);
  tell(`two machines: ${name}`, { ...figures, wrong: wrong.length });
  expect(wrong).toEqual([]);
});
