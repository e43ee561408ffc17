import { describe, expect, test } from "vitest";
import { readRebarLock } from "../../src/lock/rebar-lock.ts";

const read = (source: string) => readRebarLock(source, "rebar.lock");
const sha = "0123456789abcdef0123456789abcdef01234567";
const inner = "A1".repeat(32);
const outer = "B2".repeat(32);

test("reads packages with both checksums, and git entries, as rebar3 writes them since 3.14", () => {
  const entries = read(`{"1.2.0",
[{<<"cowlib">>,{pkg,<<"cowlib">>,<<"2.9.1">>},1},
 {<<"renamed">>,{pkg,<<"renamed_erl">>,<<"1.0.0">>},0},
 {<<"tool">>,{git,"https://github.com/owner/tool.git",{ref,"${sha}"}},0},
 {<<"part">>,{git_subdir,"git@github.com:owner/mono.git",{ref,"${sha}"},"apps/part"},0},
 {<<"old">>,{hg,"https://example.org/old",{ref,"1"}},0}]}.
[
{pkg_hash,[
 {<<"cowlib">>, <<"${inner}">>}]},
{pkg_hash_ext,[
 {<<"cowlib">>, <<"${outer}">>}]}
].
`);
  expect(entries).toEqual([
    {
      kind: "hex",
      app: "cowlib",
      name: "cowlib",
      version: "2.9.1",
      repository: "hexpm",
      innerChecksum: inner.toLowerCase(),
      outerChecksum: outer.toLowerCase(),
    },
    { kind: "hex", app: "renamed", name: "renamed_erl", version: "1.0.0", repository: "hexpm" },
    { kind: "git", app: "tool", url: "https://github.com/owner/tool.git", revision: sha, options: {} },
    { kind: "git", app: "part", url: "git@github.com:owner/mono.git", revision: sha, options: { subdir: "apps/part" } },
    { kind: "skipped", app: "old", reason: "source hg is neither Hex nor git", isPath: false },
  ]);
});

test("reads git sources within a plugin's own resources", () => {
  const sources = [
    `{my_resource,{git,"https://github.com/owner/tool.git",{ref,"${sha}"}}}`,
    `{my_resource,<<"x">>,[{with,{git_subdir,"https://github.com/owner/tool.git",{ref,"${sha}"},"apps/part"}}]}`,
    `{my_resource,{git,"https://github.com/owner/tool.git",{branch,"main"}}}`,
  ];
  const readSource = (source = "") => read(`{"1.2.0",[{<<"tool">>,${source},0}]}.`);
  const url = "https://github.com/owner/tool.git";
  expect(readSource(sources[0])).toEqual([{ kind: "git", app: "tool", url, revision: sha, options: {} }]);
  expect(readSource(sources[1])).toEqual([
    { kind: "git", app: "tool", url, revision: sha, options: { subdir: "apps/part" } },
  ]);
  expect(() => readSource(sources[2])).toThrow('the entry "tool": names no commit');
});

test("reads a lock of before versions, with texts as strings, and one with inner checksums only", () => {
  expect(
    read('[{<<"jsx">>,{pkg,<<"jsx">>,<<"2.8.0">>},0},\n {<<"x">>,{git,"https://h/x",{ref,"' + sha + '"}},0}].'),
  ).toMatchObject([
    { kind: "hex", version: "2.8.0" },
    { kind: "git", revision: sha },
  ]);
  const [entry] = read(
    `{"1.1.0",[{<<"jsx">>,{pkg,<<"jsx">>,<<"2.8.0">>},0}]}.\n[{pkg_hash,[{<<"jsx">>,<<"${inner}">>}]}].`,
  );
  expect(entry).toMatchObject({ innerChecksum: inner.toLowerCase(), outerChecksum: undefined });
});

test.each(["", "[].\n", '{"1.2.0",[]}.\n[].\n', "%% nothing\n"])("an empty lock has no entries: %j", (source) => {
  expect(read(source)).toEqual([]);
});

describe("what is no lock is refused, and where is said", () => {
  test.each([
    ["<<<<<<< HEAD\n[].\n", /^rebar\.lock:1:1: git left conflict markers here; .*rebar3 get-deps/],
    ['[{<<"a">>,', /^rebar\.lock, line 1: /],
    ["foo.", /^rebar\.lock: a rebar\.lock is a list/],
    ["[a].", /the entry "\?": is not \{NAME, \{SOURCE, …\}, LEVEL\}/],
    ['[{<<"a">>,{pkg,<<"../a">>,<<"1.0.0">>},0}].', /the entry "a": names no package/],
    ['[{<<"a">>,{pkg,<<"a">>,<<"1">>},0}].', /the entry "a": names no version/],
    ['[{<<"a">>,{git,"https://h/a",{branch,"main"}},0}].', /the entry "a": names no commit/],
    ['{"1.2.0",[{<<"a">>,{pkg,<<"a">>,<<"1.0.0">>},0}]}.\n[{pkg_hash,[{<<"a">>,<<"xyz">>}]}].', /64 hex digits/],
  ])("%j", (source, message) => {
    expect(() => read(source)).toThrow(message);
  });
});
