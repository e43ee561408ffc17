import { describe, expect, test } from "vitest";
import { readLock } from "../../src/lock/read-lock.ts";

const mix = '%{\n  "jason": {:hex, :jason, "1.4.1"},\n}\n';
const rebar = '{"1.2.0",\n[{<<"cowlib">>,{pkg,<<"cowlib">>,<<"2.9.1">>},1}]}.\n';
const read = (text: string, name = "some.lock") => readLock(Buffer.from(text), name);

describe("which kind of lock it is, its content tells, whatever its name", () => {
  test.each([
    ["a mix.lock", mix, "mix"],
    ["one under rebar's name", mix, "mix", "rebar.lock"],
    ["one with comments and blank lines", `\n# a comment\n\n${mix}`, "mix"],
    ["one with a mark of its encoding", `\uFEFF${mix}`, "mix"],
    ["one with Windows' line ends", mix.replaceAll("\n", "\r\n"), "mix"],
    ["an empty one", "%{\n}\n", "mix"],
    ["a rebar.lock", rebar, "rebar"],
    ["one under Mix's name", rebar, "rebar", "mix.lock"],
    ["an old one, without a version", '[{<<"cowlib">>,{pkg,<<"cowlib">>,<<"2.9.1">>},1}].', "rebar"],
    ["an empty one of rebar3's", "[].\n", "rebar"],
    ["one with comments", `%% a comment\n%\n${rebar}`, "rebar"],
    ["a file without anything", "", "rebar", "rebar.lock"],
  ])("%s", (_, text, kind, name = "backup.lock") => {
    expect(read(text, name).kind).toBe(kind);
  });
});

test.each([
  ["with a mark, little end first", Buffer.from(`\uFEFF${mix}`, "utf16le")],
  ["with a mark, big end first", Buffer.from(`\uFEFF${mix}`, "utf16le").swap16()],
  ["without one", Buffer.from(mix, "utf16le")],
  ["without one, big end first", Buffer.from(mix, "utf16le").swap16()],
])("UTF-16 %s is named as such", (_, bytes) => {
  expect(() => readLock(bytes, "app/mix.lock")).toThrow(/^app\/mix\.lock: it is UTF-16, .*save it as UTF-8$/);
});

test.each([
  ["package-lock.json", '{ "name": "x" }', /neither a mix\.lock/],
  ["notes.txt", "to do\n", /neither a mix\.lock/],
  [
    "manifest.toml",
    '# by Gleam\npackages = [\n  { name = "gleam_stdlib" },\n]\n',
    /no manifest of Gleam's at packages\.0\.version/,
  ],
  ["mix.lock", "what", /^mix\.lock:1:1/],
  ["x.lock", "<<<<<<< HEAD\n%{\n", /neither a mix\.lock/],
  ["mix.lock", "<<<<<<< HEAD\n%{\n", /conflict/],
])("%s that is no lock is refused", (name, text, message) => {
  expect(() => read(text, name)).toThrow(message);
});
