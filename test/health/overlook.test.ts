/** What looks in the background goes on, whatever becomes of one look. */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Overlook } from "../../src/health/overlook.ts";
import { StorePaths } from "../../src/store/paths.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";

test("a look that fails is not the last one", async () => {
  const mirror = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(mirror, "hex"), { recursive: true });
  const below = (name: string) => join(mirror, name);
  const paths = new StorePaths({
    mirror,
    hexDir: below("hex"),
    gitDir: below("git"),
    cacheDir: below("cache"),
    certsDir: below("certs"),
    privateKey: below("private_key.pem"),
  });
  const overlook = new Overlook(paths, { reftable: false, systemFile: false });
  onTestFinished(() => overlook.close());
  await overlook.now();
  let looks = 0;
  overlook.deeds.list = () => {
    looks += 1;
    if (looks === 1) throw new Error("no room for another open file");
    return [];
  };
  overlook.start();
  await expect.poll(() => looks, { timeout: 10_000, interval: 50 }).toBeGreaterThan(2);
  expect((await overlook.now()).lookedAt).toBeDefined();
});
