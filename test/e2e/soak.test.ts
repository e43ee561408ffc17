/** Some seconds of everything at once: what test/torture/soak.test.ts does for half an hour. */
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { soak } from "../support/soak/soak.ts";

test("no honest client feels what others do, and nothing is left of it", async () => {
  const cwd = await temporaryFolder();
  const { failed, honest, hostile, idleAfter } = await soak(cwd, { seconds: 6, crowd: 200, seed: String(Date.now()) });
  expect(failed).toEqual([]);
  expect(honest).toBeGreaterThan(20);
  expect(Object.keys(hostile).length).toBeGreaterThan(5);
  expect(idleAfter).toBeLessThan(30);
});
