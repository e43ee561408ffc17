import { mkdir, readdir, rename, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { FileIndex } from "../../src/disk/file-index.ts";
import type { Place } from "../../src/disk/place.ts";
import { placeAt, temporaryFolder } from "../support/folder.ts";

let folder: string;
let file: string;
let place: Place;
let reads: number;

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder, "file");
  place = placeAt(folder).at("file");
  reads = 0;
  await writeFile(file, "one");
});

const open = (cacheDir = join(folder, "cache")) =>
  FileIndex.open(placeAt(cacheDir), { folder, parse: (value) => (typeof value === "string" ? value : undefined) });
const read = (value: string) => () => {
  reads += 1;
  return value;
};

test("a file that has not changed is read once, by this process and the next", async () => {
  const first = await open();
  expect(await first.get("file", place, read("one"))).toBe("one");
  await first.save({ isWhole: true });
  const second = await open();
  expect(await second.get("file", place, read("another"))).toBe("one");
  expect(reads).toBe(1);
});

test("a file that was replaced is read anew, although its size and time are the same", async () => {
  const first = await open();
  await first.get("file", place, read("one"));
  await first.save({ isWhole: true });
  const { atime, mtime } = await stat(file);
  await writeFile(join(folder, "new"), "two");
  await rename(join(folder, "new"), file);
  await utimes(file, atime, mtime);
  expect(await (await open()).get("file", place, read("two"))).toBe("two");
});

test("what failed to be read is not kept", async () => {
  const index = await open();
  const fail = () => {
    throw new Error("damaged");
  };
  await expect(index.get("file", place, fail)).rejects.toThrow("damaged");
  await index.save({ isWhole: true });
  expect(await (await open()).get("file", place, read("one"))).toBe("one");
});

test("what was not asked for is forgotten", async () => {
  await writeFile(join(folder, "other"), "x");
  const first = await open();
  await first.get("file", place, read("one"));
  await first.get("other", placeAt(folder).at("other"), read("x"));
  await first.save({ isWhole: true });
  const second = await open();
  await second.get("file", place, read("one"));
  await second.save({ isWhole: true });
  const third = await open();
  await third.get("other", placeAt(folder).at("other"), read("x"));
  expect(reads).toBe(3);
});

test.each(["", "{", '{"format":99,"files":{}}', '{"format":1,"files":{"file":{"stamp":1,"value":2}}}'])(
  "an index that says %j is as good as none",
  async (content) => {
    const first = await open();
    await first.get("file", place, read("one"));
    await first.save({ isWhole: true });
    const [name = ""] = await readdir(join(folder, "cache/index"));
    await writeFile(join(folder, "cache/index", name, "1-0.json"), content);
    expect(await (await open()).get("file", place, read("again"))).toBe("again");
  },
);

test("thousands lie in several files, of which those are written that say something new, and what is gone goes with them", async () => {
  const count = 5000;
  const names = Array.from({ length: count }, (_, n) => `package${n}-1.0.0.tar`);
  const groupOf = (name: string) => name.slice(0, name.indexOf("-"));
  const openGrouped = () =>
    FileIndex.open(placeAt(join(folder, "cache")), { folder, groupOf, parse: (value) => value as string });
  const first = await openGrouped();
  for (const name of names) first.set(name, "stamp", name);
  await first.save();
  const [dir = ""] = await readdir(join(folder, "cache/index"));
  const parts = await readdir(join(folder, "cache/index", dir));
  expect(parts.length).toBeGreaterThanOrEqual(4);
  expect(new Set(parts.map((part) => part.split("-")[0]))).toEqual(new Set([String(parts.length)]));
  const times = async () =>
    Promise.all(parts.map(async (part) => (await stat(join(folder, "cache/index", dir, part))).mtimeMs));
  const before = await times();
  const second = await openGrouped();
  expect(names.filter((name) => second.known(name, "stamp") !== name)).toEqual([]);
  const third = await openGrouped();
  third.set("package7-1.1.0.tar", "stamp", "newer");
  await third.save({ isThere: (name) => name !== "package7-1.0.0.tar" });
  expect((await times()).filter((time, index) => time !== before[index])).toHaveLength(1);
  const fourth = await openGrouped();
  const known = (name: string) => fourth.known(name, "stamp");
  expect([known("package7-1.0.0.tar"), known("package7-1.1.0.tar"), known("package8-1.0.0.tar")]).toEqual([
    undefined,
    "newer",
    "package8-1.0.0.tar",
  ]);
});

test("a cache folder that cannot be written costs speed, nothing else", async () => {
  await mkdir(join(folder, "no"));
  await writeFile(join(folder, "no/cache"), "a file");
  const index = await open(join(folder, "no/cache"));
  expect(await index.get("file", place, read("one"))).toBe("one");
  await index.save({ isWhole: true });
});
