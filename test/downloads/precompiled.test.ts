/** The forms in which packages say what they download, as they stand in packages that many depend on. */
import { expect, test } from "vitest";
import { mayDownload, packageDownloads } from "../../src/downloads/precompiled.ts";
import { makeTarball } from "../support/tarballs.ts";

const sum = "ab".repeat(32);
const links = { GitHub: "https://github.com/acme/fast" };
const there = "https://github.com/acme/fast/releases/download/v0.3.0";
const read = (files: Readonly<Record<string, string>>) =>
  packageDownloads({ name: "fast", version: "0.3.0", links, files: new Map(Object.entries(files)) });
const checksum = (name: string) => `%{\n  "${name}" => "sha256:${sum}",\n}\n`;
const nif = "libfast-v0.3.0-nif-2.15-x86_64-unknown-linux-gnu.so.tar.gz";
const ofModule = "checksum-Elixir.Fast.Native.exs";
const mixExs = (more: string) => `defmodule Fast.MixProject do\n  use Mix.Project\n  @version "0.3.0"\n${more}\nend\n`;

test.each([
  [
    "the project's version",
    'base_url: "https://github.com/acme/fast/releases/download/v#{mix_config[:version]}",\n  version: mix_config[:version]',
    "mix_config = Mix.Project.config()",
  ],
  [
    "its links",
    'base_url: "#{github_url}/releases/download/v#{version}"',
    'version = Mix.Project.config()[:version]\n  github_url = Mix.Project.config()[:package][:links]["GitHub"]',
  ],
  ["an attribute", 'base_url: @base <> "/v0.3.0"', '@base "https://github.com/acme/fast/releases/download"'],
])("rustler_precompiled's base_url by %s", (_what, option, before) => {
  const source = `defmodule Fast.Native do\n  ${before}\n  use RustlerPrecompiled,\n    otp_app: :fast,\n    ${option}\nend\n`;
  const { downloads, unread } = read({
    "mix.exs": mixExs("  def project, do: [version: @version]"),
    "lib/fast/native.ex": source,
    [ofModule]: checksum(nif),
  });
  expect(unread).toEqual([]);
  expect(downloads).toEqual([{ url: `${there}/${nif}`, sha256: sum, cache: "rustler_precompiled" }]);
});

test("two modules of one package lie where each says", () => {
  const module = (name: string, base: string) =>
    `defmodule Fast.${name} do\n  use RustlerPrecompiled, base_url: "https://${base}/x"\nend\n`;
  const { downloads } = read({
    "lib/a.ex": module("A", "a.example"),
    "lib/b.ex": module("B", "b.example"),
    "checksum-Elixir.Fast.A.exs": checksum("a.tar.gz"),
    "checksum-Elixir.Fast.B.exs": checksum("b.tar.gz"),
  });
  expect(downloads.map(({ url }) => url)).toEqual(["https://a.example/x/a.tar.gz", "https://b.example/x/b.tar.gz"]);
});

test.each([
  ["in the project", `  def project, do: [make_precompiler_url: "${there}/@{artefact_filename}"]`],
  [
    "by attributes",
    `  @github_url "https://github.com/acme/fast"\n  def project do\n    [make_precompiler_url: "#{@github_url}/releases/download/v#{@version}/@{artefact_filename}"]\n  end`,
  ],
])("elixir_make's template, %s", (_what, project) => {
  const { downloads, unread } = read({
    "mix.exs": mixExs(project),
    "checksum.exs": checksum("fast-nif-2.16-x86_64-linux-gnu-0.3.0.tar.gz"),
  });
  expect(unread).toEqual([]);
  expect(downloads).toEqual([
    { url: `${there}/fast-nif-2.16-x86_64-linux-gnu-0.3.0.tar.gz`, sha256: sum, cache: "elixir_make" },
  ]);
});

test("the one place of releases that a mix.exs makes URLs of", () => {
  const project = `  @github_url "https://github.com/acme/fast"\n  defp url(name), do: "#{@github_url}/releases/download/v#{@version}/#{name}.tar.gz"`;
  const { downloads } = read({ "mix.exs": mixExs(project), "checksum.exs": checksum("one.tar.gz") });
  expect(downloads.map(({ url }) => url)).toEqual([`${there}/one.tar.gz`]);
});

test("xla's lines of sha256sum, below its @base_url", () => {
  const { downloads } = read({
    "lib/xla.ex": `defmodule XLA do\n  @version Mix.Project.config()[:version]\n  @base_url "https://github.com/acme/fast/releases/download/v#{@version}"\nend\n`,
    "checksum.txt": `${sum}  xla_extension-x86_64-linux-gnu-cpu.tar.gz\n${sum} *xla_extension-aarch64-darwin-cpu.tar.gz\n`,
  });
  expect(downloads.map(({ url, cache }) => [url, cache])).toEqual([
    [`${there}/xla_extension-x86_64-linux-gnu-cpu.tar.gz`, "xla"],
    [`${there}/xla_extension-aarch64-darwin-cpu.tar.gz`, "xla"],
  ]);
});

test.each([
  ["no module that says where", { [ofModule]: checksum(nif) }, /base_url of Fast.Native is not said/],
  [
    "a place made by code",
    {
      [ofModule]: checksum(nif),
      "lib/n.ex": "defmodule Fast.Native do\n use RustlerPrecompiled, base_url: {Fast, :url}\nend",
    },
    /made by code/,
  ],
  [
    "two places",
    {
      "checksum.txt": `${sum}  a.tar.gz`,
      "lib/a.ex": '@base_url "https://a"\n',
      "lib/b.ex": '@base_url "https://b"\n',
    },
    /said in several ways/,
  ],
  [
    "a template without a name",
    {
      "checksum.exs": checksum("a.tar.gz"),
      "mix.exs": mixExs('  def project, do: [make_precompiler_url: "https://h/a"]'),
    },
    /has no @\{artefact_filename\}/,
  ],
  ["checksums made by code", { "checksum.exs": "File.read!()" }, /no map of names and checksums/],
  ["another digest", { "checksum.exs": '%{"a.tar.gz" => "md5:00"}' }, /has no SHA-256/],
  ["a name that leads elsewhere", { "checksum.exs": checksum("../a.tar.gz") }, /is no file's name/],
  [
    "a system of Nerves",
    { "mix.exs": mixExs("  def project, do: [nerves_package: nerves_package()]") },
    /fill NERVES_DL_DIR/,
  ],
  ["Rust without checksums", { "native/fast/Cargo.toml": "[package]" }, /cargo fetches by itself/],
])("%s is told as unread", (_what, files: Record<string, string>, reason) => {
  const { downloads, unread } = read(files);
  expect([downloads, unread.map((each) => each.reason)]).toEqual([[], [expect.stringMatching(reason)]]);
});

test("where most lie stands in for what cannot be read", () => {
  expect(read({ [ofModule]: checksum(nif) }).unread).toEqual([
    { reason: expect.anything(), guess: there, checksums: new Map([[nif, sum]]) },
  ]);
});

test("a package without checksums downloads nothing that it tells of, and is not unpacked to see that", () => {
  expect(read({ "mix.exs": mixExs("") })).toEqual({ downloads: [], unread: [] });
  expect(read({ "checksum.exs": "%{}\n" })).toEqual({ downloads: [], unread: [] });
  const made = (files: Record<string, string>) =>
    mayDownload(makeTarball({ name: "a", version: "1.0.0", files }).bytes);
  expect([made({ "lib/a.ex": "" }), made({ "checksum.exs": "%{}" })]).toEqual([false, true]);
});
