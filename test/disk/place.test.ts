import { chmod, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readIfPresent, removeLeftovers, temporaryPath, writeAtomic, writeIfChanged } from "../../src/store/atomic.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";

test("a file appears with its folder and its mode, and leaves nothing beside it", async () => {
  const dir = await temporaryFolder();
  await writeAtomic(join(dir, "a/b/file"), "content", 0o600);
  expect(await readFile(join(dir, "a/b/file"), "utf8")).toBe("content");
  expect(await readdir(join(dir, "a/b"))).toEqual(["file"]);
});

test("a file with the right content is not touched", async () => {
  const dir = await temporaryFolder();
  expect(await writeIfChanged(join(dir, "file"), "content")).toBe(true);
  const before = await snapshot(dir);
  expect(await writeIfChanged(join(dir, "file"), "content")).toBe(false);
  expect(await snapshot(dir)).toEqual(before);
});

test("a target that cannot be replaced stays, and nothing is left beside it", async () => {
  const dir = await temporaryFolder();
  await mkdir(join(dir, "target/inside"), { recursive: true });
  await expect(writeAtomic(join(dir, "target"), "x")).rejects.toMatchObject({ code: "storage" });
  expect(await readdir(dir)).toEqual(["target"]);
});

test("what a killed writer left is removed, and nothing else", async () => {
  const dir = await temporaryFolder();
  await writeFile(temporaryPath(join(dir, "names")), "half");
  await writeFile(join(dir, ".hidden"), "mine");
  await writeFile(join(dir, "names"), "whole");
  await removeLeftovers(dir);
  expect((await readdir(dir)).sort()).toEqual([".hidden", "names"]);
});

test("a file that is not there differs from one that cannot be read", async () => {
  const dir = await temporaryFolder();
  expect(await readIfPresent(join(dir, "none"))).toBeUndefined();
  await mkdir(join(dir, "folder"));
  await chmod(join(dir, "folder"), 0o700);
  await expect(readIfPresent(join(dir, "folder"))).rejects.toMatchObject({ code: "storage" });
});
