/**
 * The point of it all: an app whose packages download programs and native code while they compile, compiles within `exec`, with
 * nobody to be asked but the mirror. Real Mix, Hex and packages, where their sources are; what they download is made here.
 */
import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer } from "../support/cli.ts";
import { hexArchives, isInstalled } from "../support/clients.ts";
import type { FileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { startNamedHosts } from "../support/named-hosts.ts";
import { hasPackages, packageTarball } from "../support/package-sources.ts";
import { lockEntry, makeTarball, tarOf, type MadeTarball } from "../support/tarballs.ts";

const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;
const nifHeaders = spawnSync(
  "erl",
  ["-noshell", "-eval", 'io:put_chars(filename:join(code:root_dir(), "usr/include")), halt().'],
  {
    encoding: "utf8",
  },
).stdout;
const isAble =
  archives !== undefined &&
  process.platform === "linux" &&
  isInstalled("gcc", "--version") &&
  hasPackages("castore", "jason", "rustler_precompiled", "elixir_make", "cc_precompiler", "xla", "tailwind", "esbuild");

const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
const short = process.arch === "arm64" ? "arm64" : "x64";
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const packed = (path: string, data: Buffer | string) =>
  gzipSync(tarOf({ [path]: new Uint8Array(Buffer.from(data)) }, "755"));

let cwd: string;
let upstream: FileUpstream;
let environment: Record<string, string>;

/** Native code that says a word. */
async function compileNif(module: string, word: string): Promise<Buffer> {
  const source = `#include <erl_nif.h>
static ERL_NIF_TERM word(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) { return enif_make_atom(env, "${word}"); }
static ErlNifFunc functions[] = {{"word", 0, word}};
ERL_NIF_INIT(Elixir.${module}, functions, NULL, NULL, NULL, NULL)
`;
  await writeFile(join(cwd, "nif.c"), source);
  const { status, stderr } = spawnSync("gcc", ["-shared", "-fPIC", "-I", nifHeaders, "-o", "nif.so", "nif.c"], {
    cwd,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  return readFile(join(cwd, "nif.so"));
}

const mixExs = (name: string, version: string, deps: string, more = "") =>
  `defmodule ${name[0]?.toUpperCase()}${name.slice(1)}.MixProject do
  use Mix.Project
  @version "${version}"
  def project, do: [app: :${name}, version: @version, deps: [${deps}]${more}]
  def application, do: [extra_applications: [:logger]]
end
`;

/** One of each kind of package that downloads, and the packages that they do it with. */
async function makePackages(): Promise<readonly (readonly [MadeTarball, string])[]> {
  const hex = (name: string, requirement: string) =>
    `{:${name}, "${requirement}", [hex: :${name}, repo: "hexpm", optional: false]}`;
  const needs = (name: string, requirement: string) => ({ name, requirement });

  const rust = "libfast_nif-v0.3.0-nif-2.15";
  const fastNif = packed(`${rust}-${arch}-unknown-linux-gnu.so`, await compileNif("Fast.Native", "fast"));
  const rustName = `${rust}-${arch}-unknown-linux-gnu.so.tar.gz`;
  upstream.files.set(`/acme/fast/releases/download/v0.3.0/${rustName}`, fastNif);
  const fast = makeTarball({
    name: "fast",
    version: "0.3.0",
    requirements: [needs("rustler_precompiled", "~> 0.8")],
    files: {
      "mix.exs": mixExs("fast", "0.3.0", '{:rustler_precompiled, "~> 0.8"}'),
      "lib/fast/native.ex": `defmodule Fast.Native do
  version = Mix.Project.config()[:version]
  use RustlerPrecompiled,
    otp_app: :fast,
    crate: "fast_nif",
    base_url: "https://github.com/acme/fast/releases/download/v#{version}",
    version: version
  def word, do: :erlang.nif_error(:not_loaded)
end
`,
      "checksum-Elixir.Fast.Native.exs": `%{\n  "${rustName}" => "sha256:${sha256(fastNif)}",\n}\n`,
    },
  });

  const quickNif = packed("./quick_nif.so", await compileNif("Quick", "quick"));
  const makeName = `quick-nif-2.16-${arch}-linux-gnu-0.1.0.tar.gz`;
  upstream.files.set(`/acme/quick/releases/download/v0.1.0/${makeName}`, quickNif);
  const precompiler = `,
    compilers: [:elixir_make] ++ Mix.compilers(), make_precompiler: {:nif, CCPrecompiler},
    make_precompiler_url: "https://github.com/acme/quick/releases/download/v#{@version}/@{artefact_filename}",
    make_precompiler_filename: "quick_nif", make_precompiler_nif_versions: [versions: ["2.16"]]`;
  const quick = makeTarball({
    name: "quick",
    version: "0.1.0",
    requirements: [needs("elixir_make", "~> 0.8"), needs("cc_precompiler", "~> 0.1")],
    files: {
      "mix.exs": mixExs("quick", "0.1.0", '{:elixir_make, "~> 0.8"}, {:cc_precompiler, "~> 0.1"}', precompiler),
      "lib/quick.ex": `defmodule Quick do
  @on_load :load
  def load, do: :erlang.load_nif(Path.join(:code.priv_dir(:quick), "quick_nif"), 0)
  def word, do: :erlang.nif_error(:not_loaded)
end
`,
      "checksum.exs": `%{\n  "${makeName}" => "sha256:${sha256(quickNif)}",\n}\n`,
    },
  });

  const archive = packed("xla_extension/word", "linear");
  const version = packageTarball("xla").version;
  const xlaName = `xla_extension-${version}-${arch}-linux-gnu-cpu.tar.gz`;
  upstream.files.set(`/elixir-nx/xla/releases/download/v${version}/${xlaName}`, archive);
  const xla = packageTarball("xla", [needs("elixir_make", "~> 0.4")], {
    "checksum.txt": `${sha256(archive)}  ${xlaName}\n`,
  });
  const linear = makeTarball({
    name: "linear",
    version: "1.0.0",
    requirements: [needs("xla", `~> ${version}`)],
    files: {
      "mix.exs": mixExs("linear", "1.0.0", `{:xla, "~> ${version}"}`),
      "lib/linear.ex": `defmodule Linear do
  {:ok, [{_name, word}]} = :erl_tar.extract(XLA.archive_path!(), [:memory, :compressed])
  @word String.to_atom(word)
  def word, do: @word
end
`,
    },
  });

  const tailwind = packageTarball("tailwind");
  upstream.files.set(
    `/tailwindlabs/tailwindcss/releases/download/v4.1.12/tailwindcss-linux-${short}`,
    Buffer.from('#!/bin/sh\necho "tailwind: $@"\n'),
  );
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString().trim();
  const registry = (
    await readFile(join(process.env["MIX_PACKAGES"] ?? "", "esbuild/lib/esbuild/npm_registry.ex"), "utf8")
  )
    .replace(/"SHA256:[^"]+"/, '"SHA256:test"')
    .replace(/-----BEGIN[\s\S]*?-----END PUBLIC KEY-----/, pem.replaceAll("\n", "\n    "));
  const esbuild = packageTarball("esbuild", [needs("jason", "~> 1.4")], { "lib/esbuild/npm_registry.ex": registry });
  const program = packed("package/bin/esbuild", '#!/bin/sh\necho "esbuild: $@"\n');
  const id = `@esbuild/linux-${short}`;
  const integrity = `sha512-${createHash("sha512").update(program).digest("base64")}`;
  const path = `/${id}/-/linux-${short}-0.25.4.tgz`;
  const sig = sign("sha256", Buffer.from(`${id}@0.25.4:${integrity}`), privateKey).toString("base64");
  const dist = { integrity, tarball: `https://registry.npmjs.org${path}`, signatures: [{ keyid: "SHA256:test", sig }] };
  upstream.files.set(path, program);
  upstream.files.set(`/${id}/0.25.4`, Buffer.from(JSON.stringify({ _id: `${id}@0.25.4`, dist })));

  return [
    [packageTarball("castore"), ""],
    [
      packageTarball("jason", [{ ...needs("decimal", "~> 1.0 or ~> 2.0"), optional: true }]),
      hex("decimal", "~> 1.0 or ~> 2.0").replace("false", "true"),
    ],
    [packageTarball("elixir_make"), ""],
    [packageTarball("rustler_precompiled", [needs("castore", "~> 0.1 or ~> 1.0")]), hex("castore", "~> 0.1 or ~> 1.0")],
    [packageTarball("cc_precompiler", [needs("elixir_make", "~> 0.7")]), hex("elixir_make", "~> 0.7")],
    [fast, hex("rustler_precompiled", "~> 0.8")],
    [quick, `${hex("elixir_make", "~> 0.8")}, ${hex("cc_precompiler", "~> 0.1")}`],
    [xla, hex("elixir_make", "~> 0.4")],
    [linear, hex("xla", `~> ${version}`)],
    [tailwind, ""],
    [esbuild, hex("jason", "~> 1.4")],
  ];
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(cwd, path)), { recursive: true });
  await writeFile(join(cwd, path), text);
}

describe.skipIf(!isAble)("an app (skipped where there is no Hex, gcc or MIX_PACKAGES with their sources)", () => {
  beforeEach(async () => {
    cwd = await temporaryFolder();
    const named = await startNamedHosts(cwd, ["github.com", "registry.npmjs.org"]);
    upstream = named.upstream;
    const packages = await makePackages();
    const hex = await startHexUpstream(packages.map(([tarball]) => tarball));
    environment = {
      ...named.environment,
      MIRROR_HEX_URL: hex.url,
      MIRROR_HEX_PUBLIC_KEY: await hex.writePublicKey(join(cwd, "upstream.pem")),
    };
    await write(
      "app/mix.exs",
      mixExs(
        "app",
        "0.1.0",
        '{:fast, "~> 0.3"}, {:quick, "~> 0.1"}, {:linear, "~> 1.0"}, {:tailwind, "~> 0.5"}, {:esbuild, "~> 0.10"}',
      ),
    );
    await write(
      "app/mix.lock",
      `%{\n${packages.map(([tarball, needs]) => `  ${lockEntry(tarball, needs).replace("[:rebar3]", "[:mix]")},\n`).join("")}}\n`,
    );
    await write(
      "app/lib/app.ex",
      "defmodule App do\n  def words, do: {Fast.Native.word(), Quick.word(), Linear.word()}\nend\n",
    );
    await write(
      "app/config/config.exs",
      'import Config\nconfig :tailwind, version: "4.1.12", default: [args: ["in.css"]]\nconfig :esbuild, version: "0.25.4", default: [args: ["in.js"]]\n',
    );
  });

  test("gets its packages, compiles, and runs what they have downloaded, with no network", async () => {
    const synced = await mirrorServer(["sync", "app", "--artefacts"], { cwd, env: environment });
    expect([synced.code, synced.stdout, synced.stderr]).toEqual([
      0,
      expect.stringContaining("failed 0"),
      expect.not.stringContaining("may not compile"),
    ]);
    const verified = await mirrorServer(["verify"], { cwd });
    expect(verified.stdout).toMatch(/^compiles offline: yes$/m);
    const tools = "tailwind.install, esbuild.install, tailwind default, esbuild default";
    const env = {
      HOME: join(cwd, "home"),
      MIX_HOME: join(cwd, "mix"),
      MIX_ARCHIVES: archives ?? "",
      LANG: "C.UTF-8",
      XLA_TARGET: "cpu",
    };
    const script = `cd app && mix do deps.get, compile, ${tools}, run -e "IO.inspect(App.words())"`;
    const { code, stdout, stderr } = await mirrorServer(
      ["exec", "--hermetic", "--artefacts", "--", "sh", "-c", script],
      { cwd, env },
    );
    expect([code, stdout, stderr]).toEqual([0, expect.stringContaining("{:fast, :quick, :linear}"), expect.anything()]);
    expect(stdout).toContain("tailwind: in.css");
    expect(stdout).toContain("esbuild: in.js");
    expect(stderr).not.toContain("--hermetic lets nobody");
  }, 240_000);
});
