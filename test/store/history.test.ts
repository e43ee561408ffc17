/** What upstream signed and since when: lines that merge, whatever two branches saw. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { gitattributes } from "../../src/project/templates.ts";
import { Place } from "../../src/disk/place.ts";
import { ambiguousVersions, readHistory, writeHistory, type HistoryLine } from "../../src/store/history.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git } from "../support/git.ts";

const line = (version: string, sum: string, seen: string): HistoryLine => ({
  version,
  checksum: sum.repeat(32),
  key: "SHA256:abc",
  seen,
});

async function placeOf(name = "jason.jsonl", dir?: string): Promise<Place> {
  return Place.root({ dir: dir ?? (await temporaryFolder()), noun: "a folder", isOne: () => true }).at(name);
}

test("one line a release, in the order of versions, and the same bytes for the same lines", async () => {
  const file = await placeOf();
  const lines = [line("1.10.0", "aa", "2026-01-02"), line("1.9.0", "bb", "2026-01-01")];
  await writeHistory(file, lines);
  const text = (await file.read())?.toString();
  expect(text?.split("\n").map((each) => each.slice(0, 20))).toEqual([
    '{"version":"1.9.0","',
    '{"version":"1.10.0",',
    "",
  ]);
  await writeHistory(file, lines.toReversed());
  expect((await file.read())?.toString()).toBe(text);
  expect(await readHistory(file)).toEqual(lines.toReversed());
});

test("of two lines for one checksum the earlier counts, and lines that say nothing are passed over", async () => {
  const file = await placeOf();
  await writeHistory(file, [line("1.0.0", "aa", "2026-02-01")]);
  const once = (await file.read())?.toString() ?? "";
  const earlier = once.replace("2026-02-01", "2026-01-01");
  await file.write(`${once}${earlier}<<<<<<< HEAD\n{"version":"1.0.0"}\nnot json\n`);
  expect(await readHistory(file)).toEqual([line("1.0.0", "aa", "2026-01-01")]);
});

test("two checksums for one version are found", () => {
  const lines = [
    line("1.0.0", "aa", "2026-01-01"),
    line("1.1.0", "cc", "2026-01-01"),
    line("1.0.0", "bb", "2026-01-02"),
  ];
  expect(ambiguousVersions(lines)).toEqual(["1.0.0"]);
});

describe("two branches of a committed mirror", () => {
  test("merge by git alone, as `init --commit` sets it up", async () => {
    const dir = await temporaryFolder();
    const folder = join(dir, "history/hexpm");
    await mkdir(folder, { recursive: true });
    await git(dir, ["init", "--quiet", "--initial-branch=main"]);
    await writeFile(join(dir, ".gitattributes"), gitattributes);
    const file = await placeOf("history/hexpm/jason.jsonl", dir);
    const save = async (...lines: HistoryLine[]) => {
      await writeHistory(file, lines);
      await git(dir, ["add", "--all"]);
      await git(dir, ["commit", "--quiet", "--message", "sync"]);
    };
    const [first, second, third] = [
      line("1.0.0", "aa", "2026-01-01"),
      line("1.1.0", "bb", "2026-01-02"),
      line("1.2.0", "cc", "2026-01-03"),
    ];
    await save(first);
    await git(dir, ["checkout", "--quiet", "-b", "other"]);
    await save(first, second);
    await git(dir, ["checkout", "--quiet", "main"]);
    await save(first, { ...second, seen: "2026-01-04" }, third);
    await git(dir, ["merge", "--quiet", "other"]);
    expect(await readFile(join(folder, "jason.jsonl"), "utf8")).not.toContain("<<<<");
    const merged = await readHistory(file);
    expect(merged).toHaveLength(3);
    expect(merged).toEqual(expect.arrayContaining([first, second, third]));
  });
});
