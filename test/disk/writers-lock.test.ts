import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { ownTag } from "../../src/disk/owner.ts";
import type { Place } from "../../src/disk/place.ts";
import { takeWritersLock } from "../../src/disk/writers-lock.ts";
import { placeAt, temporaryFolder } from "../support/folder.ts";

let dir: string;
let lock: Place;

beforeEach(async () => {
  dir = join(await temporaryFolder(), ".lock");
  lock = placeAt(dir);
});

/** As another process left it. */
async function held(owner: string): Promise<void> {
  await mkdir(join(dir, "writer"), { recursive: true });
  await writeFile(join(dir, "writer/owner"), `${owner} 0123456789abcdef01234567`);
}

test("the second writer waits for the first, and says so", async () => {
  const first = await takeWritersLock(lock, {});
  let waited = false;
  const onWait = () => {
    waited = true;
    void first.release();
  };
  await (await takeWritersLock(lock, { onWait })).release();
  expect(waited).toBe(true);
  expect(await readdir(dir)).toEqual([]);
});

test("of many that come at once, one at a time holds it", async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    const mine = await takeWritersLock(lock, { onWait: () => undefined });
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside -= 1;
    await mine.release();
  };
  await Promise.all(Array.from({ length: 4 }, work));
  expect(most).toBe(1);
});

test("the lock of a process of this machine that is dead is taken over at once, without being waited for", async () => {
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 100000)"]);
  const [boot, namespace, , start] = (ownTag() ?? "").split("-");
  await held([boot, namespace, (child.pid ?? 0).toString(36), start].join("-"));
  child.kill("SIGKILL");
  await once(child, "close");
  const next = await takeWritersLock(lock, {});
  expect(next.signal.aborted).toBe(false);
  await next.release();
});

test("a lock from elsewhere holds while it beats, and not when it stands still, whatever its time says", async () => {
  await held("00000000-1-1-1");
  const inFuture = new Date(Date.now() + 86_400_000);
  await utimes(join(dir, "writer"), inFuture, inFuture);
  await expect(takeWritersLock(lock, {})).rejects.toMatchObject({ code: "busy" });
  // Thirty seconds of this process's clock pass in none.
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  let beats = 0;
  const beat = setInterval(() => {
    now += 20_000;
    if (++beats < 4) void utimes(join(dir, "writer"), beats, beats);
  }, 400);
  try {
    const next = await takeWritersLock(lock, { onWait: () => undefined });
    expect(beats).toBeGreaterThanOrEqual(4);
    await next.release();
  } finally {
    clearInterval(beat);
    vi.restoreAllMocks();
  }
});

test("an empty folder, as older versions hold it, is a lock too", async () => {
  await mkdir(join(dir, "writer"), { recursive: true });
  await expect(takeWritersLock(lock, {})).rejects.toMatchObject({ code: "busy" });
});

test("who is asked to stop does not wait for another writer", async () => {
  const first = await takeWritersLock(lock, {});
  await expect(takeWritersLock(lock, {})).rejects.toMatchObject({ code: "busy" });
  const stop = new AbortController();
  const second = takeWritersLock(lock, { onWait: () => stop.abort(), signal: stop.signal });
  await expect(second).rejects.toMatchObject({ code: "cancelled" });
  await first.release();
});

test("a lock that somebody else has taken over is not given back for them", async () => {
  const first = await takeWritersLock(lock, {});
  await lock.at("writer").remove();
  await held("00000000-1-1-1");
  await first.release();
  expect(await readdir(join(dir, "writer"))).toEqual(["owner"]);
});
