import { describe, expect, test } from "vitest";
import { readGleamManifest } from "../../src/lock/gleam-manifest.ts";
import { readLock } from "../../src/lock/read-lock.ts";

const read = (source: string) => readGleamManifest(source, "manifest.toml");
const outer = "A1".repeat(32);
const commit = "0123456789abcdef0123456789abcdef01234567";
const header = "# Do not manually edit this file, it is managed by Gleam.\n\n";
const hex = `{ name = "gleam_stdlib", version = "0.44.0", build_tools = ["gleam"], requirements = [], otp_app = "gleam_stdlib", source = "hex", outer_checksum = "${outer}" }`;
const packages = (...lines: string[]) =>
  `${header}packages = [\n${lines.map((line) => `  ${line},\n`).join("")}]\n\n[requirements]\ngleam_stdlib = { version = ">= 0.34.0 and < 2.0.0" }\n`;

test("reads Hex, git and local packages as Gleam writes them", () => {
  expect(
    read(
      packages(
        hex,
        `{ name = "hpack_erl", version = "0.3.0", build_tools = ["rebar3"], requirements = [], otp_app = "hpack", source = "hex", outer_checksum = "${outer}" }`,
        `{ name = "one", version = "1.0.0", build_tools = ["gleam"], requirements = ["gleam_stdlib"], source = "git", repo = "https://github.com/owner/one.git", commit = "${commit}" }`,
        `{ name = "part", version = "1.0.0", build_tools = ["gleam"], requirements = [], source = "git", repo = "git@github.com:owner/mono", commit = "${commit}", path = "packages/part" }`,
        `{ name = "here", version = "1.0.0", build_tools = ["gleam"], requirements = [], source = "local", path = "../here" }`,
        `{ name = "new", version = "1.0.0", source = "floppy" }`,
      ),
    ),
  ).toEqual([
    {
      kind: "hex",
      app: "gleam_stdlib",
      name: "gleam_stdlib",
      version: "0.44.0",
      repository: "hexpm",
      outerChecksum: outer.toLowerCase(),
    },
    {
      kind: "hex",
      app: "hpack",
      name: "hpack_erl",
      version: "0.3.0",
      repository: "hexpm",
      outerChecksum: outer.toLowerCase(),
    },
    { kind: "git", app: "one", url: "https://github.com/owner/one.git", revision: commit, options: {} },
    {
      kind: "git",
      app: "part",
      url: "git@github.com:owner/mono",
      revision: commit,
      options: { subdir: "packages/part" },
    },
    { kind: "skipped", app: "here", reason: "source local", isPath: true },
    { kind: "skipped", app: "new", reason: "source floppy is neither Hex nor git", isPath: false },
  ]);
});

describe("reads any TOML that says the same", () => {
  const entry = [
    { kind: "hex", app: "a", name: "a", version: "1.0.0", repository: "hexpm", outerChecksum: outer.toLowerCase() },
  ];
  test.each([
    [
      "tables of their own",
      `[requirements]\na = "~> 1.0"\n\n[[packages]]\nname = "a"\nversion = "1.0.0"\nsource = "hex"\nouter_checksum = "${outer}"\n`,
    ],
    [
      "a table of several lines",
      `packages = [\n  {\n    name = 'a', # yes\n    version = "1.0.0",\n    source = "hex",\n    outer_checksum = """${outer}""",\n  }\n]\n`,
    ],
    [
      "what a later Gleam may add",
      `version = 3\npackages = [{ name = "a", version = "1.0.0", source = "hex", outer_checksum = "${outer}", size = 99999999999999999999, at = 2026-11-28 }]\n`,
    ],
    [
      "other ends of lines",
      `packages = [\r\n  { name = "a", version = "1.0.0", source = "hex", outer_checksum = "${outer}" },\r\n]\r\n`,
    ],
  ])("%s", (_, source) => {
    expect(read(source)).toEqual(entry);
    expect(readLock(Buffer.from(source), "any.name").kind).toBe("gleam");
  });

  test("a project without dependencies", () => {
    expect(readLock(Buffer.from(packages()), "x")).toEqual({ kind: "gleam", entries: [] });
  });
});

test.each([
  ['packages = [\n  { name = "a", }\n', /^manifest\.toml:\d+:\d+: /],
  ["packages = []\npackages = []\n", /^manifest\.toml:\d+:\d+: /],
  ["a = 1\n", /it is no manifest of Gleam's at packages; run "gleam deps download" there/],
  ["packages = [1]\n", /at packages\.0/],
  [packages('{ name = "A B", version = "1.0.0", source = "hex" }'), /the package "A B": that is no package name/],
  [packages('{ name = "../x", version = "1.0.0", source = "hex" }'), /no package name/],
  [packages(`{ name = "a", version = "one", source = "hex", outer_checksum = "${outer}" }`), /"one" is no version/],
  [packages('{ name = "a", version = "1.0.0", source = "hex" }'), /its outer_checksum is not 64 hex digits/],
  [packages('{ name = "a", version = "1.0.0", source = "git", commit = "x" }'), /it has no repo/],
  [
    packages('{ name = "a", version = "1.0.0", source = "git", repo = "https://h/r", commit = "main" }'),
    /its commit is none/,
  ],
  [`${header}<<<<<<< HEAD\npackages = []\n=======\npackages = []\n>>>>>>> main\n`, /conflict/],
  [`packages = ${"[".repeat(100_000)}`, /^manifest\.toml/],
])("what is wrong with %# is told", (source, message) => {
  expect(() => read(source)).toThrow(message);
});
