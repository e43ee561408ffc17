import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { takeWritersLock } from "../../src/store/writers-lock.ts";
import { temporaryFolder } from "../support/folder.ts";

test("the second writer waits for the first, and says so", async () => {
  const dir = join(await temporaryFolder(), ".lock");
  const first = await takeWritersLock(dir, {});
  let waited = false;
  const onWait = () => {
    waited = true;
    void first.release();
  };
  const second = takeWritersLock(dir, { onWait });
  await (await second).release();
  expect(waited).toBe(true);
});

test("the lock of a writer that died is taken over", async () => {
  const dir = join(await temporaryFolder(), ".lock");
  const dead = await takeWritersLock(dir, {});
  const longAgo = new Date(Date.now() - 120_000);
  await utimes(join(dir, "writer"), longAgo, longAgo);
  const next = await takeWritersLock(dir, {});
  expect(next.signal.aborted).toBe(false);
  await next.release();
  await dead.release();
});

test("who is asked to stop does not wait for another writer", async () => {
  const dir = join(await temporaryFolder(), ".lock");
  const first = await takeWritersLock(dir, {});
  await expect(takeWritersLock(dir, {})).rejects.toMatchObject({ code: "busy" });
  const stop = new AbortController();
  const second = takeWritersLock(dir, { onWait: () => stop.abort(), signal: stop.signal });
  await expect(second).rejects.toMatchObject({ code: "cancelled" });
  await first.release();
});
