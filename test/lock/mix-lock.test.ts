import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readMixLock } from "../../src/lock/mix-lock.ts";
import { fixtures } from "../support/folder.ts";

const locks = join(fixtures, "locks");
const sha = "a".repeat(40);
const read = (source: string) => readMixLock(source, "mix.lock");

describe("real locks from 2016 to 2026", () => {
  test.each([
    ["blockscout.lock", 185, 4],
    ["bors-2016.lock", 26, 0],
    ["bors-2019.lock", 56, 6],
    ["bors.lock", 62, 2],
    ["changelog.lock", 105, 3],
    ["livebook.lock", 66, 1],
    ["phoenix.lock", 40, 0],
    ["realtime.lock", 110, 4],
  ])("%s names %i packages and %i repositories", async (file, hex, git) => {
    const source = await readFile(join(locks, file), "utf8");
    const entries = readMixLock(source, file);
    expect(entries.filter(({ kind }) => kind === "hex")).toHaveLength(hex);
    expect(entries.filter(({ kind }) => kind === "git")).toHaveLength(git);
    // Another way to count: every top-level entry begins like this.
    expect(entries).toHaveLength(
      source.match(/^(?:%\{| {2})"?[\w]+"?: \{:|^(?:%\{| {2})"[\w]+" => \{:/gm)?.length ?? 0,
    );
  });

  test("all of them are covered", async () => {
    expect(await readdir(locks)).toHaveLength(8);
  });
});

test("reads a whole Hex entry, and an old one that stops after the dependencies", () => {
  const inner = "1".repeat(64);
  const outer = "2".repeat(64);
  expect(
    read(`%{
  "jason_app": {:hex, :jason, "1.2.2", "${inner}", [:mix], [{:decimal, "~> 1.0 or ~> 2.0", [hex: :decimal, repo: "hexpm", optional: true]}], "hexpm:acme", "${outer}"},
  "old": {:hex, :old, "0.1.0", "${inner.toUpperCase()}", [:mix], []},
  oldest: {:hex, :oldest, "0.0.1"},
}`),
  ).toEqual([
    {
      kind: "hex",
      app: "jason_app",
      name: "jason",
      version: "1.2.2",
      repository: "hexpm:acme",
      innerChecksum: inner,
      outerChecksum: outer,
    },
    {
      kind: "hex",
      app: "old",
      name: "old",
      version: "0.1.0",
      repository: "hexpm",
      innerChecksum: inner,
      outerChecksum: undefined,
    },
    {
      kind: "hex",
      app: "oldest",
      name: "oldest",
      version: "0.0.1",
      repository: "hexpm",
      innerChecksum: undefined,
      outerChecksum: undefined,
    },
  ]);
});

test("reads git entries with every option", () => {
  const options = `[ref: "${sha}", tag: "v1", branch: "main", sparse: "opt", subdir: "sub", depth: 1, submodules: true, unknown: [a: :"b-c"]]`;
  expect(read(`%{"x": {:git, "https://github.com/a/b.git", "${sha}", ${options}}}`)).toEqual([
    {
      kind: "git",
      app: "x",
      url: "https://github.com/a/b.git",
      revision: sha,
      options: { ref: sha, tag: "v1", branch: "main", sparse: "opt", subdir: "sub", depth: 1, submodules: true },
    },
  ]);
});

test("skips sources that name nothing to mirror, with a word", () => {
  expect(read('%{"x": {:path, "../x"}, "y": {:fossil, "https://a/b", "c"}}')).toMatchObject([
    { kind: "skipped", app: "x", reason: "source :path is neither Hex nor git", isPath: true },
    { kind: "skipped", app: "y" },
  ]);
});

test.each(["%{}", "%{\n}\n", "", "\n", "# only a comment\n%{\n}", "\uFEFF%{}"])("%j is an empty lock", (source) => {
  expect(read(source)).toEqual([]);
});

describe("errors name file, line and column", () => {
  test.each([
    ['%{\n  "a": {:hex, :a, "1.0.0"\n', /^mix\.lock:3:1: expected "," or "}", but the file ends/],
    ['%{\n  "a": {:hex, :a "1.0.0"}}', /^mix\.lock:2:18: expected "," or "}"/],
    ['%{\n  "a" {:hex}}', /^mix\.lock:2:7: expected "=>" or ":" after the key/],
    ['%{"a": System.halt()}', /^mix\.lock:1:\d+: expected "," or "}"/],
    ['%{"a": {:git, "https://#{host}/b", "x"}}', /holds data only/],
    ['%{"a": variable}', /^mix\.lock:1:8: unexpected "v"/],
    ["[]", /^mix\.lock:1:1: a lock is a map/],
    ["%{} %{}", /^mix\.lock:1:5: expected the end of the file/],
    ['%{"a": "text"}', /is not a tuple that begins with an atom/],
    ['%{"a": {:git, "https://github.com/a/b", "main", []}}', /names no commit/],
    ['%{"a": {:hex, :a, "1.0.0", "abc"}}', /a checksum is not 64 hex digits/],
  ])("%j", (source, message) => {
    expect(() => read(source)).toThrow(message);
  });

  test("git's conflict markers get their own message", () => {
    const source =
      '%{\n<<<<<<< HEAD\n  "a": {:hex, :a, "1.0.0"},\n=======\n  "a": {:hex, :a, "1.0.1"},\n>>>>>>> theirs\n}';
    expect(() => read(source)).toThrow(/^mix\.lock:2:1: git left conflict markers here; resolve the merge first/);
  });
});

// A reader that is quadratic in such input would run into the time-out.
describe("hostile input is refused, fast", () => {
  test.each([
    ["deep nesting", `%{"a": ${"[".repeat(1_000_000)}`, /nested deeper than 64/],
    ["deep tuples", `%{"a": ${"{".repeat(1_000_000)}`, /nested deeper than 64/],
    ["deep maps", "%{a: ".repeat(200_000), /nested deeper than 64/],
    ["a string without end", `%{"a": "${"x".repeat(4_000_000)}`, /a string does not end/],
    ["a string of escapes without end", `%{"a": "${"\\x".repeat(2_000_000)}`, /a string does not end/],
    ["megabytes of commas", `%{${",".repeat(4_000_000)}`, /unexpected ","/],
    ["more than a lock can be", " ".repeat(9_000_000), /larger than/],
    ["NUL", '%{"a\0": {:hex, :a, "1.0.0"}}', /NUL/],
    ["binary noise", "\0\u0001\u0002", /unexpected/],
    ["a name that would leave the folder", '%{"a": {:hex, :"../../etc/passwd", "1.0.0"}}', /is no package name/],
    ["a version that would leave the folder", '%{"a": {:hex, :a, "1.0.0/../../x"}}', /is no version/],
    [
      "a repository that would leave the folder",
      `%{"a": {:hex, :a, "1.0.0", "${"0".repeat(64)}", [], [], "../x"}}`,
      /is no repository name/,
    ],
  ])("%s", (_, source, message) => {
    expect(() => read(source)).toThrow(message);
  });
});

test("of an entry that a merge has doubled, the last one counts, as to Mix", () => {
  const sum = "a".repeat(64);
  const entry = (version: string) => `"a": {:hex, :a, "${version}", "${sum}", [:mix], [], "hexpm", "${sum}"}`;
  expect(readMixLock(`%{${entry("1.0.0")}, ${entry("1.1.0")}}`, "mix.lock")).toMatchObject([{ version: "1.1.0" }]);
});
