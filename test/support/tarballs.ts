/** Hex tarballs, written by another library than the one under test. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";

export interface PackageSource {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly licenses?: readonly string[];
  readonly requirements?: readonly { name: string; requirement: string; optional?: boolean; repository?: string }[];
  /** Files of the package, by path. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface MadeTarball {
  readonly name: string;
  readonly version: string;
  readonly bytes: Buffer;
  readonly innerChecksum: string;
  readonly outerChecksum: string;
}

// As bytes: the library counts the characters of a text.
const encode = (text: string) => new TextEncoder().encode(text);

/** With the two empty blocks that end a tar, which Erlang insists on and the library leaves out. */
export function tarOf(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>, mode = "664"): Buffer {
  const entries = Object.entries(files).map(([name, data]) => ({ name, data, attrs: { mode } }));
  return Buffer.concat([createTar(entries), Buffer.alloc(1024)]);
}

export function makeTarball(source: PackageSource): MadeTarball {
  const { name, version, requirements = [], description = "Test package – ż", licenses = ["MIT"] } = source;
  const files = source.files ?? {
    "rebar.config": "{erl_opts, []}.\n",
    [`src/${name}.app.src`]: `{application, ${name}, [{description, "test"}, {vsn, "${version}"}, {applications, [kernel, stdlib]}]}.\n`,
    [`src/${name}.erl`]: `-module(${name}).\n-export([version/0]).\nversion() -> "${version}".\n`,
  };
  const contents = gzipSync(
    tarOf(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, encode(text)]))),
  );
  const metadata = [
    `{<<"app">>,<<"${name}">>}.`,
    `{<<"build_tools">>,[<<"rebar3">>]}.`,
    `{<<"description">>,<<"${description}"/utf8>>}.`,
    `{<<"files">>,[${Object.keys(files)
      .map((path) => `<<"${path}">>`)
      .join(",")}]}.`,
    `{<<"licenses">>,[${licenses.map((license) => `<<"${license}">>`).join(",")}]}.`,
    `{<<"links">>,[{<<"Source">>,<<"https://example.invalid/${name}">>}]}.`,
    `{<<"name">>,<<"${name}">>}.`,
    `{<<"requirements">>,[${requirements
      .map(
        (r) =>
          `{<<"${r.name}">>,[{<<"app">>,<<"${r.name}">>},{<<"optional">>,${r.optional === true}},{<<"repository">>,<<"${r.repository ?? "hexpm"}">>},{<<"requirement">>,<<"${r.requirement}">>}]}`,
      )
      .join(",")}]}.`,
    `{<<"version">>,<<"${version}">>}.`,
    "",
  ].join("\n");
  const inner = createHash("sha256").update("3").update(metadata).update(contents).digest("hex");
  const bytes = tarOf({
    VERSION: encode("3"),
    CHECKSUM: encode(inner.toUpperCase()),
    "metadata.config": encode(metadata),
    "contents.tar.gz": new Uint8Array(contents),
  });
  const outer = createHash("sha256").update(bytes).digest("hex");
  return { name, version, bytes, innerChecksum: inner, outerChecksum: outer };
}

/** A `mix.lock` that names these tarballs, as Mix writes it. */
export function mixLock(tarballs: readonly MadeTarball[], others: readonly string[] = []): string {
  const entries = [...tarballs.map((tarball) => lockEntry(tarball)), ...others];
  return `%{\n${entries.map((entry) => `  ${entry},`).join("\n")}\n}\n`;
}

/** @param dependencies as Mix writes them, without the brackets around them */
export function lockEntry(tarball: MadeTarball, dependencies = "", repository = "hexpm"): string {
  const { name, version, innerChecksum, outerChecksum } = tarball;
  return `"${name}": {:hex, :${name}, "${version}", "${innerChecksum}", [:rebar3], [${dependencies}], "${repository}", "${outerChecksum}"}`;
}

/** What most end-to-end tests mirror: a package that depends on another, and optionally on one that is not there. */
export const alpha = makeTarball({ name: "alpha", version: "1.0.0" });
export const beta = makeTarball({
  name: "beta",
  version: "2.1.0",
  requirements: [
    { name: "alpha", requirement: "~> 1.0" },
    { name: "gamma", requirement: "~> 3.0", optional: true },
  ],
});
