import { expect, test } from "vitest";
import { readLiterals } from "../../src/downloads/literals.ts";

const project = (path: readonly string[]) =>
  ({ version: "1.2.0", "package links GitHub": "https://github.com/acme/fast" })[path.join(" ")];
const urlIn = (source: string) => readLiterals(source, project).key("url");
const there = "https://github.com/acme/fast/releases/download/v1.2.0";

test.each([
  ["a text", `url: "${there}"`],
  ["an attribute", `@url "${there}"\nfoo url: @url`],
  [
    "attributes in a text",
    `@v "1.2.0"\n@at "https://github.com/acme/fast"\nuse X, url: "#{@at}/releases/download/v#{@v}"`,
  ],
  ["texts that are joined", `@at "https://github.com/acme/fast"\n[url: @at <> "/releases" <> "/download/v1.2.0"]`],
  ["a variable", `version = "1.2.0"\nuse X,\n  url: "https://github.com/acme/fast/releases/download/v#{version}"`],
  ["a function", `def project, do: [url: url()]\ndefp url do\n  "${there}"\nend`],
  ["a function in one line", `x url: at()\ndefp at, do: "${there}"`],
  [
    "what the project says of itself",
    `config = Mix.Project.config()\nu url: "#{config[:package][:links]["GitHub"]}/releases/download/v#{config[:version]}"`,
  ],
  [
    "the same by Keyword",
    `url: "https://github.com/acme/fast/releases/download/v#{Keyword.get(Mix.Project.config(), :version)}"`,
  ],
  [
    "a version that is read from a file",
    `@version File.read!("VERSION") |> String.trim()\nurl: "https://github.com/acme/fast/releases/download/v#{@version}"`,
  ],
  ["what nobody has set", `url: System.get_env("FAST_URL", "${there}")`],
  ["what stands in for what nobody has set", `url: System.get_env("FAST_URL") || "${there}"`],
  ["a setting's default", `url: Application.compile_env(:fast, :url, "${there}")`],
  ["a heredoc", `url: """\n${there}\\\n"""`],
  ["a sigil", `url: ~s(${there})`],
])("%s is told", (_what, source) => {
  expect(urlIn(source)).toEqual([there]);
});

test.each([
  ["a call with arguments", 'url: Enum.join(["https://a", "b"])'],
  ["a list", 'url: ["https://a"]'],
  ["a name that is set twice", 'v = "1"\nv = "2"\nx url: "https://a/#{v}"'],
  ["an attribute of itself", '@a "#{@a}"\nx url: @a'],
  ["two of each other", 'a = b\nb = a\nx url: "#{a}"'],
  ["what nobody has set, alone", 'url: System.get_env("URL")'],
])("%s is not", (_what, source) => {
  expect(urlIn(source)).toEqual([undefined]);
});

test("what stands in comments, in texts and in lists of characters says nothing", () => {
  const source = `# url: "https://a"\n@doc "url: \\"https://a\\""\nx = 'url: "https://a"'\ny = ~S(url: "https://a")\nz = ?"\n`;
  expect(urlIn(source)).toEqual([]);
});

test("text upon text comes to nothing, however much it would be", () => {
  const doubled = Array.from({ length: 40 }, (_, at) => `@a${at + 1} "#{@a${at}}#{@a${at}}"`);
  expect(urlIn(['@a0 "0123456789"', ...doubled, "x url: @a40"].join("\n"))).toEqual([undefined]);
  expect(urlIn(`@a "${"x".repeat(8000)}"\nx url: "${"#{@a}".repeat(50_000)}"`)).toEqual([undefined]);
});

test.each([
  ["deeper", `url: ${'"#{'.repeat(5000)}`],
  ["longer", `url: "${"x".repeat(2 * 1024 * 1024)}"`],
  ["of more tokens", ",".repeat(300_000)],
])("what is %s than anybody writes is refused", (_what, source) => {
  expect(() => urlIn(source)).toThrow(/cannot be read/);
});

test("of more texts than anybody writes, some are told", () => {
  const many = Array.from({ length: 20_000 }, (_, at) => `"/releases/${at}#{@a}"`);
  const { beginnings } = readLiterals(`@a "${"x".repeat(8000)}"\n${many.join("\n")}`, project);
  expect(beginnings("/releases/").length).toBe(100);
});

test("a module is known by its name, and texts by their beginnings", () => {
  const { modules, beginnings } = readLiterals(
    'defmodule A.B do\n  def url(name), do: "https://h/releases/download/v1/#{name}.tar.gz"\nend',
    project,
  );
  expect([modules, beginnings("/releases/")]).toEqual([["A.B"], ["https://h/releases/download/v1/"]]);
});
