/** What memory holds is bounded, by bytes, whoever keeps what. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { HotFiles } from "../../src/disk/hot-files.ts";
import type { Place } from "../../src/disk/place.ts";
import { placeAt, temporaryFolder } from "../support/folder.ts";

const kB = 1024;
let root: Place;
let files: HotFiles;

beforeEach(async () => {
  root = placeAt(await temporaryFolder());
  files = new HotFiles({ maxFile: 10 * kB, maxTotal: 50 * kB, maxLoose: 20 * kB, settledAfter: 3000 });
});

async function write(name: string, size = 8 * kB): Promise<Place> {
  await writeFile(join(root.path, name), Buffer.alloc(size, name));
  return root.at(name);
}

async function openMany(count: number) {
  const opened = [];
  for (let n = 0; n < count; n += 1) opened.push(await files.open(await write(`file-${n}`)));
  return opened;
}

test("what was used least goes first", async () => {
  await openMany(5);
  expect(files.recall(join(root.path, "file-0"))?.bytes.length).toBe(8 * kB);
  await files.open(await write("one more"));
  const kept = Array.from({ length: 5 }, (_, n) => files.recall(join(root.path, `file-${n}`)) !== undefined);
  expect(kept).toEqual([true, false, true, true, true]);
});

test("files that are too large are not read", async () => {
  expect(await files.open(await write("large", 10 * kB + 1))).toBeUndefined();
  expect((await files.open(await write("small", 10 * kB)))?.bytes.length).toBe(10 * kB);
  expect(await files.open(root.at("nothing"))).toBeUndefined();
  await mkdir(join(root.path, "folder"));
  expect(await files.open(root.at("folder"))).toBeUndefined();
});

test("what is still sent counts when it is not kept any more", async () => {
  const opened = await openMany(3);
  const returns = opened.map((file) => (file === undefined ? () => undefined : files.lend(file)));
  // These take the place of those, which are still in memory as long as somebody reads them: 24 of 20 kB.
  for (let n = 0; n < 6; n += 1) await files.open(await write(`other-${n}`));
  expect(await files.open(await write("one more"))).toBeUndefined();
  for (const giveBack of returns) giveBack();
  expect((await files.open(await write("one more")))?.bytes.length).toBe(8 * kB);
});

test("what many ask for at once is read once", async () => {
  const place = await write("wanted");
  const opened = await Promise.all(Array.from({ length: 20 }, () => files.open(place)));
  expect(new Set(opened).size).toBe(1);
  // Twenty readings would not have found room.
  expect(opened[0]?.bytes.length).toBe(8 * kB);
});
