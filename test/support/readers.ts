/**
 * Every reader of what others wrote, as one function of bytes, with some inputs that it takes: locks, tarballs, records,
 * settings of Hex and git, git's protocol, URLs, requests, compose files.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { MirrorError } from "../../src/errors.ts";
import { readToolVersions } from "../../src/downloads/app-config.ts";
import { readChecksums } from "../../src/downloads/checksums.ts";
import { readLiterals } from "../../src/downloads/literals.ts";
import { readNpmPackage } from "../../src/downloads/npm.ts";
import { packageDownloads } from "../../src/downloads/precompiled.ts";
import { readUnverified, readTarball } from "../../src/hex/tarball.ts";
import { readMetadata } from "../../src/hex/metadata.ts";
import { readErlangTerms } from "../../src/hex/erlang-terms.ts";
import { readHexConfigToken } from "../../src/hex/hex-config.ts";
import { generatePrivateKey, publicKeyPem, readPrivateKey, readPublicKey } from "../../src/hex/keys.ts";
import { decodePolicy, encodePolicy } from "../../src/hex/policies.ts";
import { decodeNames, decodePackage, decodeVersions } from "../../src/hex/records.ts";
import { unwrap } from "../../src/hex/signed.ts";
import { readTar } from "../../src/hex/tar.ts";
import { readProjectPolicy } from "../../src/lock/mix-project.ts";
import { readLock } from "../../src/lock/read-lock.ts";
import { readPointer } from "../../src/git/lfs.ts";
import { booleanOf, parseConfig } from "../../src/git/config-file.ts";
import { readFetchRequest } from "../../src/git/fetch-request.ts";
import { packet, readPackets } from "../../src/git/pkt-line.ts";
import { requestKey } from "../../src/git/request-key.ts";
import { readTransferTrace } from "../../src/git/transfer-trace.ts";
import { normalisePath, parseGitUrl, redactUrl, resolveSubmoduleUrl, urlPrefix } from "../../src/names/git-url.ts";
import { compareVersions, isVersion } from "../../src/names/versions.ts";
import { readCompose } from "../../src/project/compose-file.ts";
import { startOf } from "../../src/project/dockerfile.ts";
import { findTarget, requestPlace, requestShown } from "../../src/serve/hosts.ts";
import { isPage } from "../../src/upstream/page.ts";
import { fixtures } from "./folder.ts";
import { alpha, beta } from "./tarballs.ts";

export interface Reader {
  readonly samples: readonly Uint8Array[];
  /** @throws MirrorError for what it does not take; anything else is a defect */
  readonly read: (bytes: Buffer) => unknown;
}

/** Who reads a setting says which file it is of. */
function inGitsWords<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("bad config"))
      throw new MirrorError("config", error.message);
    throw error;
  }
}

const text = (...samples: string[]) => samples.map((sample) => Buffer.from(sample));
const filesIn = (dir: string) =>
  readdirSync(join(fixtures, dir), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => readFileSync(join(fixtures, dir, name)));
/** A whole lock of some entries. */
const beginning = (lock: Buffer) => Buffer.from(`${lock.toString().split("\n").slice(0, 8).join("\n")}\n}\n`);
const signed = ["names", "versions"].map((name) => readFileSync(join(fixtures, "golden/hex", name)));
const records = filesIn("golden/hex/packages");
const payloads = [...signed, ...records].map((bytes) => unwrap(bytes).payload);
const tarballs = [alpha.bytes, beta.bytes];
const metadata = tarballs.flatMap((bytes) =>
  [...readTar(bytes, { entries: 8 })].filter(([name]) => name === "metadata.config").map(([, file]) => file),
);
const known = { own: new Set(["mirror.test"]), served: () => new Set(["github.com", "gitlab.com"]) };
const id = "1234567890abcdef1234567890abcdef12345678";
const fetchSecond = `${packet("command=fetch")}${packet("agent=git/2.40")}0001${packet("no-progress")}${packet(`want ${id}\n`)}${packet("done\n")}0000`;
const fetchFirst = `${packet(`want ${id} side-band-64k ofs-delta agent=git/2.40\n`)}0000${packet(`have ${id}\n`)}${packet("done\n")}`;
const lsRefs = `${packet("command=ls-refs\n")}0001${packet("peel\n")}${packet("ref-prefix refs/heads/\n")}0000`;

const gitUrls = text(
  "https://github.com/owner/repo.git",
  "git@host:owner/repo.git",
  "ssh://git@host:22/~o/r",
  "../../o/r.git",
  "http://u:p@h/a%2fb",
  "file:///a/b",
);

const elixir = text(
  'defmodule A.B do\n  @v "1"\n  config = Mix.Project.config()\n  use RustlerPrecompiled, base_url: "#{config[:source_url]}/v#{@v}"\nend\n',
  'def project do\n  [url: url() <> "/@{artefact_filename}", a: X.get("K") || ~s(b)]\nend\ndefp url, do: "https://h/releases/download/v1"\n',
  '# a\n@doc """\nb #{1}\n"""\nx = \'c\' |> to_string()\n',
);

export const readers: Readonly<Record<string, Reader>> = {
  "Elixir sources": {
    samples: elixir,
    read: (bytes) => {
      const { key, attribute, beginnings } = readLiterals(bytes.toString("utf8"), ([first]) => first);
      return [key("base_url"), key("url"), attribute("v"), beginnings("/releases/")];
    },
  },
  "tools in a project's config": {
    samples: text(
      'import Config\nconfig :tailwind, version: "4.1.12", app: [args: ~w(a)]\nconfig :esbuild, :version, "0.25.4"\n',
    ),
    read: (bytes) => readToolVersions([bytes.toString("utf8")]),
  },
  checksums: {
    samples: text(`%{\n  "a-x86_64-linux-gnu.tar.gz" => "sha256:${"ab".repeat(32)}",\n}\n`, "%{}"),
    read: (bytes) => readChecksums("checksum.exs", bytes.toString("utf8")),
  },
  "checksums of sha256sum": {
    samples: text(`${"ab".repeat(32)}  a.tar.gz\n${"cd".repeat(32)} *b.tar.gz\n`),
    read: (bytes) => readChecksums("checksum.txt", bytes.toString("utf8")),
  },
  "packages that download": {
    samples: elixir,
    read: (bytes) => {
      const source = bytes.toString("utf8");
      const sum = `%{"a.gz" => "sha256:${"ab".repeat(32)}"}`;
      const files = { "mix.exs": source, "lib/a.ex": source, "checksum.exs": sum, "checksum-Elixir.A.B.exs": sum };
      return packageDownloads({ name: "a", version: "1.0.0", links: {}, files: new Map(Object.entries(files)) });
    },
  },
  "packages of npm": {
    samples: text(
      JSON.stringify({
        _id: "a@1",
        dist: { integrity: `sha512-${"a".repeat(86)}==`, tarball: "https://h/a", signatures: [] },
      }),
    ),
    read: (bytes) => readNpmPackage(bytes.toString("utf8"), "https://h/a", { id: "a@1", keys: {} }),
  },
  "pointers of Git LFS": {
    samples: text(`version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 12\n`),
    read: (bytes) => readPointer(bytes.toString("utf8")),
  },
  manifests: {
    samples: text(
      `packages = [\n  { name = "a", version = "1.0.0", requirements = [], source = "hex", outer_checksum = "${"a1".repeat(32)}" },\n]\n`,
      `[[packages]]\nname = "b"\nversion = "1.0.0"\nsource = "git"\nrepo = "https://h/r"\ncommit = "${id}"\n`,
    ),
    read: (bytes) => readLock(bytes, "manifest.toml"),
  },
  policies: {
    samples: [
      encodePolicy({
        repository: "acme",
        name: "strict",
        description: "d",
        rules: {
          hexpm: {
            cooldown: "7d",
            advisories: "high",
            retired: ["security"],
            deny: [{ package: "a", requirement: "~> 1.0", reason: "r" }],
            allow: [],
            except: [],
          },
        },
      }),
    ],
    read: (bytes) => decodePolicy(bytes),
  },
  projects: {
    samples: text('[app: :a, hex: [policy: [org: "acme", name: "strict"]]]', 'hex: [policy: "hexpm:acme/strict"]'),
    read: (bytes) => readProjectPolicy(bytes.toString("utf8")),
  },
  locks: {
    samples: filesIn("locks").map(beginning),
    read: (bytes) => readLock(bytes, "mix.lock"),
  },
  "rebar.lock": {
    samples: text(
      `{"1.2.0",\n[{<<"alpha">>,{pkg,<<"alpha">>,<<"1.0.0">>},0},{<<"b">>,{git,"https://h/o/b.git",{ref,"${id}"}},1}]}.\n[{pkg_hash,[{<<"alpha">>, <<"${"AB".repeat(32)}">>}]}].\n`,
    ),
    read: (bytes) => readLock(bytes, "rebar.lock"),
  },
  tarballs: { samples: tarballs, read: (bytes) => readTarball(bytes) },
  "tarballs, unverified": { samples: tarballs, read: readUnverified },
  tar: { samples: tarballs, read: (bytes) => readTar(bytes, { entries: 8 }) },
  metadata: { samples: metadata, read: (bytes) => readMetadata(bytes.toString()) },
  "Erlang terms": { samples: metadata, read: (bytes) => readErlangTerms(bytes.toString()) },
  "hex.config": {
    samples: text(`{<<"$repos">>,#{<<"hexpm">> => #{auth_key => <<"k">>,url => <<"https://repo.hex.pm">>}}}.\n`),
    read: (bytes) =>
      readHexConfigToken(bytes.toString(), "hex.config", { repository: "hexpm", url: "https://repo.hex.pm", now: 1 }),
  },
  "signed resources": { samples: [...signed, ...records], read: unwrap },
  names: { samples: payloads, read: decodeNames },
  versions: { samples: payloads, read: decodeVersions },
  records: { samples: payloads, read: decodePackage },
  keys: {
    samples: text(generatePrivateKey(), publicKeyPem(readPrivateKey(generatePrivateKey(), "key"))),
    read: (bytes) => readPublicKey(bytes.toString(), "key"),
  },
  "git's settings": {
    samples: text(
      '[core]\n\tbare = true\n[remote "origin"]\n\turl = https://h/o/r.git ; c\n\tfetch = +refs/*:refs/*\n[a "b\\"c"]\nd\n',
    ),
    read: (bytes) => inGitsWords(() => parseConfig(bytes.toString("latin1"))).map(({ value }) => booleanOf(value)),
  },
  "git's frames": { samples: text(fetchFirst, fetchSecond, lsRefs), read: readPackets },
  "git's requests": {
    samples: text(fetchFirst, fetchSecond, lsRefs),
    read: (bytes) => [
      readFetchRequest("version=2", bytes),
      readFetchRequest(undefined, bytes),
      requestKey("version=2", bytes),
      requestKey(undefined, bytes),
    ],
  },
  "git's traces": {
    samples: text("12:00:00.1 http.c:1 <= recv header: HTTP/1.1 200 OK\n<= Recv header, 4 bytes\n"),
    read: (bytes) =>
      readTransferTrace({ onStatus: () => undefined, onLogin: () => undefined }).read(bytes.toString("latin1")),
  },
  "git's URLs": {
    samples: gitUrls,
    read: (bytes) => {
      const url = bytes.toString();
      return [parseGitUrl(url, true), urlPrefix(url), redactUrl(url), normalisePath(url)];
    },
  },
  "submodules' URLs": { samples: gitUrls, read: (bytes) => resolveSubmoduleUrl("https://h/o/r.git", bytes.toString()) },
  versionNumbers: {
    samples: text("1.2.3", "1.0.0-rc.1+build", "0.0.1"),
    read: (bytes) => [isVersion(bytes.toString()), compareVersions(bytes.toString(), "1.2.3-rc.1")],
  },
  "places of requests": {
    samples: text(
      "github.com\n/owner/repo.git/info/refs?service=git-upload-pack",
      "a_b:80\n//x/%2e%2e/%00",
      "[::1]:1\nhttp://g/a",
    ),
    read: (bytes) => {
      const [host, url = ""] = bytes.toString("latin1").split("\n");
      const { host: asked, path } = requestPlace(url, host);
      return [findTarget(asked, path, known), requestShown(url, host)];
    },
  },
  "compose files": {
    samples: text(
      "services:\n  app:\n    build: .\n    environment: [A=b]\n    depends_on:\n      db: {condition: x}\nnetworks: {default: {external: true}}\n",
    ),
    read: (bytes) => readCompose([{ name: "compose.yml", text: bytes.toString() }]),
  },
  Dockerfiles: {
    samples: text("ARG A=1\nFROM elixir:1.18 AS build\nRUN mix deps.get\nFROM build\nUSER me\nWORKDIR /a\n"),
    read: (bytes) => startOf(bytes.toString(), "build"),
  },
  pages: {
    samples: text("<!DOCTYPE html><html>", "{}"),
    read: (bytes) => isPage(bytes, { "content-type": "text/html" }),
  },
};
