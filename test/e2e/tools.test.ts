/**
 * What tools and bots besides `deps.get` ask of a registry, on each face: repositories that are added by their key's fingerprint, lists,
 * the API, documentation, the differences of releases.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { createTar } from "nanotar";
import { beforeEach, describe, expect, test } from "vitest";
import { fingerprint, readPublicKey } from "../../src/hex/keys.ts";
import { decodeNames, decodeVersions } from "../../src/hex/records.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { hexArchives, isInstalled, rebar3ForMix, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { recordOf, startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { makeTarball, mixLock } from "../support/tarballs.ts";

const files = (version: string, result: number) => ({
  "rebar.config": "{erl_opts, []}.\n",
  "src/alpha.app.src": `{application, alpha, [{vsn, "${version}"}, {applications, [kernel, stdlib]}]}.\n`,
  "src/alpha.erl": `-module(alpha).\n-export([v/0]).\nv() -> ${result}.\n`,
});
const old = makeTarball({ name: "alpha", version: "1.0.0", files: files("1.0.0", 1) });
const newer = makeTarball({ name: "alpha", version: "1.2.0", files: files("1.2.0", 2) });
const own = makeTarball({ name: "ours", version: "0.1.0" });

let cwd: string;
let hex: HexUpstream;
let from: string[];
let server: RunningServer;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([old, newer]);
  const retired = { "1.0.0": { retired: { reason: 3, message: "take 1.2" } } };
  hex.publish([old, newer], { upstream: new Map([["alpha", recordOf([old, newer], { releases: retired })]]) });
  const documentation = Buffer.concat([
    createTar([{ name: "index.html", data: "<h1>alpha</h1>" }]),
    Buffer.alloc(1024),
  ]);
  for (const version of ["1.0.0", "1.2.0"]) hex.files.set(`/docs/alpha-${version}.tar.gz`, gzipSync(documentation));
  from = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
  await writeFile(join(cwd, "mix.lock"), mixLock([old]));
  expect(await mirrorHere(["sync", ...from, "--docs", "--package", "alpha@1.2.0"], { cwd })).toMatchObject({ code: 0 });
  await writeFile(join(cwd, "ours.tar"), own.bytes);
  expect(await mirrorHere(["add", "ours.tar"], { cwd })).toMatchObject({ code: 0 });
  server = await startServer(["--no-tls", "--pull", ...from], { cwd, env: { MIRROR_OFFLINE: "false" } });
});

const ourKey = async () => readPublicKey(await readFile(join(cwd, ".mirror/hex/public_key"), "utf8"), "ours");
const bytes = async (path: string) => Buffer.from(await (await fetch(`${server.url}${path}`)).arrayBuffer());

describe("on each face", () => {
  test.each([
    ["our own", "", ["alpha"], ourKey],
    ["upstream's", "/repo.hex.pm", ["alpha"], async () => hex.key],
    ["a repository of our own", "/repos/local", ["ours"], ourKey],
  ] as const)("%s: names, versions and the key that signs them", async (_, base, names, keyOf) => {
    const key = await keyOf();
    expect(fingerprint(readPublicKey((await bytes(`${base}/public_key`)).toString("utf8"), "it"))).toBe(
      fingerprint(key),
    );
    const list = async (name: string) => verifyAndUnwrap(await bytes(`${base}/${name}`), key);
    expect(decodeNames(await list("names")).packages.map(({ name }) => name)).toEqual(names);
    expect(decodeVersions(await list("versions")).packages.map(({ name }) => name)).toEqual(names);
  });

  test("upstream's lists are no part of the mirror, and are there when upstream is away", async () => {
    const before = await bytes("/repo.hex.pm/versions");
    expect((await readdir(join(cwd, ".mirror/upstream/hexpm"))).sort()).toEqual([
      "packages",
      "public_key",
      "validators.json",
    ]);
    await hex.off();
    expect(await bytes("/repo.hex.pm/versions")).toEqual(before);
  });
});

// What Renovate's and Dependabot's sources read of hex.pm's API, which they take for granted.
test("the API tells bots what they read: releases with their dates, links, retirements and requirements", async () => {
  const api = async (path: string): Promise<unknown> =>
    (await fetch(`${server.url}/api/${path}`, { headers: { accept: "application/json" } })).json();
  expect(await api("packages/alpha")).toMatchObject({
    name: "alpha",
    meta: { links: { Source: "https://example.invalid/alpha" }, licenses: ["MIT"] },
    releases: [{ version: "1.2.0" }, { version: "1.0.0" }],
    retirements: { "1.0.0": { reason: "deprecated", message: "take 1.2" } },
  });
  expect(await api("packages/alpha/releases/1.2.0")).toMatchObject({
    version: "1.2.0",
    checksum: createHash("sha256").update(newer.bytes).digest("hex"),
    requirements: {},
  });
  expect(await api("repos/local/packages/ours")).toMatchObject({ name: "ours", releases: [{ version: "0.1.0" }] });
  expect((await fetch(`${server.url}/api/packages/none`)).status).toBe(404);
});

const archives = hexArchives();

describe.skipIf(archives === undefined)("Hex", { timeout: 120_000 }, () => {
  const env = (home = "hex_home") => ({
    HOME: cwd,
    HEX_HOME: join(cwd, home),
    MIX_HOME: join(cwd, "mix"),
    MIX_ARCHIVES: archives ?? "",
    HEX_API_URL: `${server.url}/api`,
    ...rebar3ForMix(),
  });
  const mix = async (args: string[], more: Record<string, string> = {}, folder = cwd) => {
    const run = await runClient("mix", args, { cwd: folder, env: { ...env(), ...more } });
    // oxlint-disable-next-line no-control-regex
    return { ...run, output: run.output.replace(/\u001b\[\d*m/g, "") };
  };

  test.each([
    ["hexpm, as our own face", "hexpm", () => server.url, ourKey],
    ["hexpm, as upstream's face", "hexpm", () => `${server.url}/repo.hex.pm`, async () => hex.key],
    ["one of our own", "local", () => `${server.url}/repos/local`, ourKey],
  ] as const)("hex.repo add NAME URL --fetch-public-key, as bots do it: %s", async (_, name, urlOf, keyOf) => {
    const url = urlOf();
    const key = fingerprint(await keyOf());
    const wrong = await mix(["hex.repo", "add", name, url, "--fetch-public-key", `SHA256:${"A".repeat(43)}`]);
    expect([wrong.code === 0, wrong.output]).toEqual([false, expect.stringMatching(/fingerprint/i)]);
    const added = await mix(["hex.repo", "add", name, url, "--fetch-public-key", key]);
    expect([added.code, added.output]).toEqual([0, ""]);
    const [package_, version] = name === "local" ? ["ours", "0.1"] : ["alpha", "1.0"];
    await mkdir(join(cwd, "bot"));
    const dependency = `{:${package_}, "~> ${version}"${name === "local" ? ', repo: "local"' : ""}}`;
    await writeFile(
      join(cwd, "bot/mix.exs"),
      `defmodule Bot.MixProject do\n use Mix.Project\n def project, do: [app: :bot, version: "0.1.0", deps: [${dependency}]]\nend\n`,
    );
    const updated = await mix(["deps.update", "--all"], {}, join(cwd, "bot"));
    expect([updated.code, updated.output]).toEqual([0, expect.stringContaining(package_)]);
    expect(await readFile(join(cwd, "bot/mix.lock"), "utf8")).toContain(`"${name}"`);
    const outdated = await mix(["hex.outdated", "--all"], {}, join(cwd, "bot"));
    expect(outdated.output).toContain("Up-to-date");
  });

  test("hex.package diff and fetch, hex.docs fetch and offline, hex.package search", async () => {
    const trusted = [
      "hex.repo",
      "set",
      "hexpm",
      "--url",
      server.url,
      "--public-key",
      join(cwd, ".mirror/hex/public_key"),
    ];
    expect(await mix(trusted)).toMatchObject({ code: 0 });
    const difference = await mix(["hex.package", "diff", "alpha", "1.0.0..1.2.0"], {
      HEX_DIFF_COMMAND: "diff -ru __PATH1__ __PATH2__",
    });
    expect(difference.output).toMatch(/^-v\(\) -> 1\.$/m);
    expect(difference.output).toMatch(/^\+v\(\) -> 2\.$/m);
    const newest = await mix(["hex.package", "fetch", "alpha"]);
    expect([newest.code, newest.output]).toEqual([0, expect.stringContaining("alpha v1.2.0")]);
    const ours = await mix(["hex.package", "fetch", "ours", "0.1.0", "--repo", "local"], {});
    // A repository that Hex was not told of.
    expect(ours.code).not.toBe(0);
    const docs = await mix(["hex.docs", "fetch", "alpha", "1.2.0"]);
    expect([docs.code, docs.output]).toEqual([0, expect.stringContaining("Docs fetched")]);
    // What would be opened is written by a program of the test's.
    await mkdir(join(cwd, "bin"));
    await writeFile(join(cwd, "bin/xdg-open"), `#!/bin/sh\necho "$1" >${join(cwd, "opened")}\n`, { mode: 0o755 });
    const path = `${join(cwd, "bin")}:${process.env["PATH"] ?? ""}`;
    const offline = await mix(["hex.docs", "offline", "alpha", "1.0.0"], { PATH: path });
    expect([offline.code, offline.output]).toEqual([0, expect.stringContaining("Docs")]);
    await expect
      .poll(async () => readFile(join(cwd, "opened"), "utf8").catch(() => ""))
      .toContain("docs/hexpm/alpha/1.0.0/index.html");
    const found = await mix(["hex.package", "search", "alpha"]);
    expect(found.output).toContain("1.2.0");
  });

  test("hex.audit within exec finds what upstream retired, and so does a policy", async () => {
    await writeFile(
      join(cwd, "mix.exs"),
      'defmodule App.MixProject do\n use Mix.Project\n def project, do: [app: :app, version: "0.1.0", deps: [{:alpha, "~> 1.0"}]]\nend\n',
    );
    const audit = async (...args: string[]) => {
      const { HEX_HOME: _home, HEX_API_URL: _api, ...plain } = env();
      return mirrorServer(["exec", "--mirror", join(cwd, ".mirror"), ...args], { cwd, env: plain });
    };
    expect((await audit("--", "mix", "deps.get")).code).toBe(0);
    const found = await audit("--", "mix", "hex.audit");
    expect([found.code, found.stdout]).toEqual([1, expect.stringMatching(/alpha\s+1\.0\.0[^]*deprecated/i)]);
  });
});

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3", { timeout: 120_000 }, () => {
  test("update, pkgs, upgrade and get-deps are answered by the mirror", async () => {
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{alpha, "~> 1.0"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const rebar3 = async (...args: string[]) =>
      mirrorServer(["exec", "--mirror", join(cwd, ".mirror"), "--offline", "--", "rebar3", ...args], {
        cwd: join(cwd, "app"),
      });
    const update = await rebar3("update");
    expect([update.code, update.stdout + update.stderr]).toEqual([0, expect.not.stringMatching(/fail/i)]);
    const packages = await rebar3("pkgs", "alpha");
    expect([packages.code, packages.stdout]).toEqual([
      0,
      expect.stringMatching(/1\.2\.0[^]*1\.0\.0|1\.0\.0[^]*1\.2\.0/),
    ]);
    expect((await rebar3("get-deps")).code).toBe(0);
    const upgrade = await rebar3("upgrade", "--all");
    // Of each package it asks every repository that it knows, and tells who has it not.
    expect([upgrade.code, upgrade.stdout]).toEqual([0, expect.stringContaining("No upgrade needed for alpha")]);
    expect(await readFile(join(cwd, "app/rebar.lock"), "utf8")).toContain("1.2.0");
  });
});
