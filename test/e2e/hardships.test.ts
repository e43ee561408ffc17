/** Each job that writes, once or twice on each of the machines that test/torture/hardships.test.ts gives it. */
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { endure } from "../support/hardships/endure.ts";
import { canImpose, hardshipNames } from "../support/hardships/hardships.ts";
import { canSeparate, share } from "../support/hardships/two-machines.ts";
import { names, type Name } from "../support/kills/scenarios.ts";

const seed = String(Date.now());
// Of six jobs a third for each, others for the next one.
const each = hardshipNames.flatMap((hardship, first) =>
  [0, 3].map((step) => ({ hardship, name: names[(first + step) % names.length] ?? "sync" })),
);

test.for(each)("$hardship: $name", { timeout: 120_000 }, async ({ hardship, name }, { skip }) => {
  skip(!canImpose(hardship), "it needs Linux, and root to mount");
  const { wrong, tried } = await endure(hardship, name, await temporaryFolder(), 2, seed);
  expect(wrong).toEqual([]);
  expect(tried).toBe(2);
});

test.for<Name>(["sync", "git"])("two machines on one folder: %s", { timeout: 120_000 }, async (name, { skip }) => {
  skip(!canSeparate, "two machines need Linux, and root to be separated");
  expect((await share(name, await temporaryFolder(), 2, seed)).wrong).toEqual([]);
});
