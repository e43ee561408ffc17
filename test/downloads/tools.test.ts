/** What tailwind and esbuild are downloaded as, in which versions, and what npm says of it. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readToolVersions } from "../../src/downloads/app-config.ts";
import { readNpmPackage } from "../../src/downloads/npm.ts";
import { readToolPackage } from "../../src/downloads/tool-package.ts";
import { toolFiles } from "../../src/downloads/tools.ts";
import { parsePlatform } from "../../src/names/platforms.ts";

const targets = (...names: string[]) => names.flatMap((name) => parsePlatform(name) ?? []);

describe("versions in a project's config", () => {
  const versions = (...sources: string[]) =>
    Object.fromEntries(readToolVersions(sources).map(({ name, versions: found }) => [name, found]));

  test.each([
    ["beside profiles", 'config :tailwind,\n  version: "4.1.12",\n  app: [args: ~w(--input=a.css), version: 3]\n'],
    ["alone", 'config :tailwind, :version, "4.1.12"'],
    ["by an attribute", 'v = "4.1.12"\nconfig :tailwind, version: v'],
  ])("stand %s", (_what, source) => {
    expect(versions(source)).toEqual({ tailwind: ["4.1.12"], esbuild: [] });
  });

  test("of several files are all wanted, and what says none says nothing", () => {
    const one = 'import Config\nconfig :esbuild, version: "0.25.4"\nconfig :app, version: "9.9.9"\n';
    const more = 'config :esbuild, version: "0.17.11"\nconfig :tailwind, version: System.fetch_env!("V")\n';
    const none = ["../../evil", "4.0.0-beta_1", "04.1.2"].map((each) => `config :tailwind, version: "${each}"`);
    expect(versions(one, more, ...none, '"#{'.repeat(9000))).toEqual({
      tailwind: [],
      esbuild: ["0.25.4", "0.17.11"],
    });
  });
});

describe("where they lie", () => {
  const names = (version: string, ...platforms: string[]) =>
    toolFiles("tailwind", version, targets(...platforms), { keys: {} }).map(({ url }) => url.replace(/^.*\//, ""));

  test("tailwind has one for each C library since version 4, and had one for both", () => {
    expect(names("4.1.12", "x86_64-linux-gnu")).toEqual(["tailwindcss-linux-x64"]);
    expect(names("4.1.12", "x86_64-linux-musl")).toEqual(["tailwindcss-linux-x64-musl"]);
    expect(names("3.4.17", "x86_64-linux-musl", "aarch64-apple-darwin")).toEqual([
      "tailwindcss-linux-x64",
      "tailwindcss-macos-arm64",
    ]);
  });

  test("esbuild lies at npm, which tells of it in another place", () => {
    expect(toolFiles("esbuild", "0.25.4", targets("aarch64-linux-gnu"), { keys: { a: "PEM" } })).toEqual([
      {
        url: "https://registry.npmjs.org/@esbuild/linux-arm64/-/linux-arm64-0.25.4.tgz",
        npm: {
          id: "@esbuild/linux-arm64@0.25.4",
          aboutUrl: "https://registry.npmjs.org/@esbuild/linux-arm64/0.25.4",
          keys: { a: "PEM" },
        },
      },
    ]);
  });

  test("before 0.16, esbuild's packages had other names", () => {
    const urls = toolFiles("esbuild", "0.14.41", targets("x86_64-linux-gnu"), { keys: {} }).map(({ url }) => url);
    expect(urls).toEqual(["https://registry.npmjs.org/esbuild-linux-64/-/esbuild-linux-64-0.14.41.tgz"]);
  });

  test("which version is the package's own stands in its source", () => {
    const source =
      'defmodule Tailwind do\n  @latest_version "4.1.12"\n  def latest_version, do: @latest_version\nend\n';
    expect(readToolPackage("tailwind", new Map([["lib/tailwind.ex", source]]))).toEqual({ latest: "4.1.12", keys: {} });
    expect(readToolPackage("tailwind", new Map())).toEqual({ latest: undefined, keys: {} });
  });
});

describe("what npm says", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = { "SHA256:a": publicKey.export({ type: "spki", format: "pem" }).toString() };
  const sha512 = createHash("sha512").update("it").digest();
  const id = "@e/x@1.0.0";
  const integrity = `sha512-${sha512.toString("base64")}`;
  const sig = sign("sha256", Buffer.from(`${id}:${integrity}`), privateKey).toString("base64");
  const url = "https://registry.npmjs.org/@e/x/-/x-1.0.0.tgz";
  const said = (change: object = {}, more: object = {}) =>
    JSON.stringify({
      _id: id,
      dist: { integrity, tarball: url, signatures: [{ keyid: "SHA256:a", sig }], ...change },
      ...more,
    });

  test("is taken when a key of the package has signed it, or when the package is of before that", () => {
    expect(readNpmPackage(said(), url, { id, keys })).toEqual(sha512);
    expect(readNpmPackage(said({ signatures: undefined }), url, { id, keys: {} })).toEqual(sha512);
  });

  test.each([
    ["nobody has signed", said({ signatures: [] }), keys, /no key that the package knows/],
    ["another key has signed", said({ signatures: [{ keyid: "SHA256:b", sig }] }), keys, /no key/],
    [
      "is signed of something else",
      said({ integrity: `sha512-${createHash("sha512").digest("base64")}` }),
      keys,
      /no key/,
    ],
    ["is signed by what is no key", said(), { "SHA256:a": "no PEM" }, /no key/],
    ["is of another package", said({}, { _id: "evil@6.6.6" }), keys, /npm tells of "evil@6.6.6"/],
    ["lies elsewhere", said({ tarball: "https://evil.example/x.tgz" }), keys, /lies at/],
    ["names another digest", said({ integrity: "sha1-aaaa" }), keys, /no SHA-512/],
    ["is none", "[]", keys, /not what npm says/],
  ])("is refused when it %s", (_what, text, known: Record<string, string>, message) => {
    expect(() => readNpmPackage(text, url, { id, keys: known })).toThrow(message);
  });
});
