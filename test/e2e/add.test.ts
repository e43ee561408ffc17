/** Packages of one's own: put into a Hex repository of the mirror's, kept apart from upstream's, and taken out again. */
import { gzipSync } from "node:zlib";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTar } from "nanotar";
import { beforeEach, describe, expect, test } from "vitest";
import { readPublicKey } from "../../src/hex/keys.ts";
import { decodeNames, decodePackage, decodeVersions } from "../../src/hex/records.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { mirrorServer, startServer } from "../support/cli.ts";
import { hexArchives, isInstalled, rebar3ForMix } from "../support/clients.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, lockEntry, makeTarball, mixLock, type MadeTarball } from "../support/tarballs.ts";

const acme = makeTarball({ name: "acme", version: "1.0.0", requirements: [{ name: "alpha", requirement: "~> 1.0" }] });
const forged = makeTarball({ name: "acme", version: "1.0.0", description: "another" });
const documentation = gzipSync(createTar([{ name: "index.html", data: "<h1>acme</h1>" }]));
const next = makeTarball({ name: "acme", version: "1.1.0" });

let cwd: string;
let hex: HexUpstream;
let key: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha]);
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
});

const run = (...args: string[]) => mirrorHere(args, { cwd });
const from = () => ["--hex-url", hex.url, "--hex-public-key", key];
const file = async ({ bytes }: MadeTarball, name: string) => {
  await writeFile(join(cwd, name), bytes);
  return name;
};
const mirror = (path: string) => join(cwd, ".mirror", path);
async function record(name: string, registry = "hex/repos/local") {
  const publicKey = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "public_key");
  const bytes = await readFile(mirror(`${registry}/packages/${name}`)).catch(() => undefined);
  return bytes === undefined ? undefined : decodePackage(verifyAndUnwrap(bytes, publicKey));
}

describe("add", () => {
  test("makes a mirror where there is none, signs, lists and tells how to depend on it", async () => {
    const before = Date.now();
    const { code, stdout } = await run("add", await file(acme, "acme-1.0.0.tar"));
    expect([code, stdout]).toEqual([0, 'added local/acme 1.0.0\n  {:acme, "~> 1.0", repo: "local"}\n']);
    const signed = await record("acme");
    expect(signed).toMatchObject({ name: "acme", repository: "local" });
    const [release] = signed?.releases ?? [];
    expect(Buffer.from(release?.outerChecksum ?? []).toString("hex")).toBe(acme.outerChecksum);
    expect(release?.dependencies).toMatchObject([{ package: "alpha", repository: "hexpm" }]);
    // For who waits some days before they take a release.
    const published = Number(release?.publishedAt?.seconds) * 1000;
    expect(published).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    expect(published).toBeLessThanOrEqual(Date.now());
    const publicKey = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "public_key");
    const list = async (name: string) => verifyAndUnwrap(await readFile(mirror(`hex/repos/local/${name}`)), publicKey);
    expect(decodeNames(await list("names"))).toMatchObject({ repository: "local", packages: [{ name: "acme" }] });
    expect(decodeVersions(await list("versions")).packages).toMatchObject([{ name: "acme", versions: ["1.0.0"] }]);
    // Whole builds, and other keys, keep all of it.
    await rm(mirror("private_key.pem"));
    expect((await run("build", "--new-key")).code).toBe(0);
    expect((await record("acme"))?.releases).toEqual(signed?.releases);
    expect((await run("verify", "--package", "local/acme@1.0.0")).stdout).toMatch(
      /no upstream record covers local\/acme@1\.0\.0/,
    );
  });

  test("again changes nothing; other bytes for a version are refused, also after it was removed", async () => {
    await run("add", await file(acme, "a.tar"));
    const before = await snapshot(mirror(""));
    expect(await run("add", "a.tar")).toMatchObject({ code: 0, stdout: "local/acme 1.0.0 is here already\n" });
    const other = await run("add", await file(next, "n.tar"), await file(forged, "f.tar"));
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringContaining(
        "local/acme 1.0.0 is here already, with other bytes than f.tar, and locks may rest on them; give the new ones a version of their own",
      ),
    ]);
    expect(await snapshot(mirror(""))).toEqual(before);
    expect(await run("remove", "acme@1.0.0")).toMatchObject({ code: 0, stdout: "removed local/acme 1.0.0\n" });
    expect((await record("acme"))?.releases ?? []).toEqual([]);
    const back = await run("add", "f.tar");
    expect([back.code, back.stderr]).toEqual([
      1,
      expect.stringContaining("was here before, with other bytes than f.tar"),
    ]);
    expect((await run("add", "a.tar")).stdout).toContain("added local/acme 1.0.0");
    await run("remove", "local/acme@1.0.0");
    expect((await run("add", "f.tar", "--accept-changed", "local/acme@1.0.0")).code).toBe(0);
    expect((await run("add", "a.tar")).code).toBe(1);
  });

  test("of several packages puts in all or none", async () => {
    await writeFile(join(cwd, "broken.tar"), acme.bytes.subarray(0, 2000));
    const { code, stderr } = await run("add", await file(acme, "a.tar"), "broken.tar");
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/broken\.tar: .*; give the file that "mix hex\.build" or/),
    ]);
    expect((await run("list")).stdout + (await run("list")).stderr).not.toContain("acme");
    expect((await run("add", "a.tar", await file(next, "n.tar"))).stdout).toContain("added local/acme 1.1.0");
  });

  test.each([
    [["add"], /no package is named/],
    [["add", "none.tar"], /none\.tar cannot be read/],
    [["add", "."], /\. is no file/],
    [["add", "a.tar", "./a.tar"], /are both acme 1\.0\.0/],
    [["add", "a.tar", "--repo", "hexpm:acme"], /an organisation's packages come from hex\.pm/],
    [["add", "a.tar", "--repo", "../up"], /is no repository's name/],
    [["add", "a.tar", "--repo", "corp"], /its packages come from https:\/\/hex\.corp\.example/],
    [["add", "a.tar", "--docs", "a.tar"], /a\.tar: .*give a \.tar\.gz/],
    [["add", "a.tar", "--docs", "text.gz"], /text\.gz: .*give a \.tar\.gz/],
    [["add", "a.tar", "--docs", "deep.tar.gz"], /deep\.tar\.gz: it has no index\.html at its top; give a \.tar\.gz/],
    [["add", "a.tar", "n.tar", "--docs", "docs.tar.gz"], /--docs is of one package/],
    [["remove"], /no release is named/],
    [["remove", "acme"], /"acme" is no release/],
    [["remove", "acme@1.0.0"], /: acme 1\.0\.0 is not here/],
  ])("%j tells what is wrong", async (args, message) => {
    await writeFile(
      join(cwd, "mirror.config.json"),
      JSON.stringify({ repos: ["corp=https://hex.corp.example,upstream.pem"] }),
    );
    await file(acme, "a.tar");
    await file(next, "n.tar");
    await writeFile(join(cwd, "docs.tar.gz"), documentation);
    await writeFile(join(cwd, "text.gz"), gzipSync("no tar"));
    await writeFile(join(cwd, "deep.tar.gz"), gzipSync(createTar([{ name: "doc/index.html", data: "" }])));
    await run("add", "n.tar");
    const { code, stderr } = await run(...args);
    expect([code === 0, stderr]).toEqual([false, expect.stringMatching(message)]);
  });

  test("keeps what it was given: prune leaves it, a sync of a lock that names it needs no upstream, verify hashes it", async () => {
    await run("add", await file(acme, "a.tar"), "--repo", "corp");
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(acme, "", "corp")]));
    const synced = await run("sync", ...from(), "--docs");
    expect([synced.code, synced.stdout]).toEqual([0, expect.stringContaining("registry: 2 packages, 2 releases")]);
    expect(hex.log.filter((line) => line.includes("acme"))).toEqual([]);
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
    await run("sync", ...from());
    const pruned = await run("prune");
    expect(pruned.stdout).toContain("corp/acme 1.0.0");
    expect(pruned.stdout).toContain("it was added here");
    expect((await record("acme", "hex/repos/corp"))?.releases).toHaveLength(1);
    await writeFile(mirror("hex/repos/corp/tarballs/acme-1.0.0.tar"), forged.bytes);
    expect((await run("verify", "--deep", "--dry-run", "--package", "corp/acme@1.0.0")).code).toBe(3);
    expect((await run("build")).stdout).toContain("its bytes are not those that were adopted");
  });

  test("serves documentation that came with it", async () => {
    await writeFile(join(cwd, "docs.tar.gz"), documentation);
    expect((await run("add", await file(acme, "a.tar"), "--docs", "docs.tar.gz")).code).toBe(0);
    const server = await startServer(["--no-tls"], { cwd });
    expect((await fetch(`${server.url}/repos/local/docs/acme-1.0.0.tar.gz`)).status).toBe(200);
    const api = (await (await fetch(`${server.url}/api/repos/local/packages/acme`)).json()) as { releases: unknown[] };
    expect(api.releases).toHaveLength(1);
    // While it serves, what another process adds is there.
    await run("add", await file(next, "n.tar"));
    expect((await fetch(`${server.url}/repos/local/tarballs/acme-1.1.0.tar`)).status).toBe(200);
    await run("remove", "acme@1.1.0", "acme@1.0.0");
    expect((await fetch(`${server.url}/repos/local/tarballs/acme-1.1.0.tar`)).status).toBe(404);
    expect((await fetch(`${server.url}/repos/local/docs/acme-1.0.0.tar.gz`)).status).toBe(404);
  });
});

describe("no name is the mirror's own and upstream's", () => {
  test("a package of hexpm's cannot be added to hexpm, and one that was is never asked of upstream", async () => {
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
    await run("sync", ...from());
    const mine = makeTarball({ name: "alpha", version: "9.0.0" });
    const refused = await run("add", await file(mine, "m.tar"), "--repo", "hexpm");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("alpha is a package of upstream's")]);
    expect((await run("add", await file(acme, "a.tar"), "--repo", "hexpm")).code).toBe(0);
    hex.publish([alpha, makeTarball({ name: "acme", version: "99.0.0" })]);
    const server = await startServer(["--no-tls", "--pull", ...from()], { cwd, env: { MIRROR_OFFLINE: "false" } });
    expect((await fetch(`${server.url}/packages/acme`)).status).toBe(200);
    expect((await fetch(`${server.url}/tarballs/acme-99.0.0.tar`)).status).toBe(404);
    expect((await fetch(`${server.url}/repo.hex.pm/packages/acme`)).status).toBe(404);
    expect(hex.log.filter((line) => line.includes("acme"))).toEqual([]);
  });

  test("one of another repository of the mirror's is never asked of hexpm, nor the other way", async () => {
    await run("add", await file(acme, "a.tar"), "--repo", "corp");
    hex.publish([alpha, makeTarball({ name: "acme", version: "99.0.0" })]);
    const server = await startServer(["--no-tls", "--pull", ...from()], { cwd, env: { MIRROR_OFFLINE: "false" } });
    expect((await fetch(`${server.url}/packages/acme`)).status).toBe(404);
    expect((await fetch(`${server.url}/repos/corp/packages/alpha`)).status).toBe(404);
    expect((await fetch(`${server.url}/repos/corp/packages/acme`)).status).toBe(200);
    const names = await (await fetch(`${server.url}/names`)).arrayBuffer();
    const publicKey = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "public_key");
    const listed = decodeNames(verifyAndUnwrap(Buffer.from(names), publicKey)).packages.map(({ name }) => name);
    expect(listed).toEqual(["alpha"]);
    expect(hex.log.filter((line) => line.includes("acme"))).toEqual([]);
    await writeFile(join(cwd, "mix.lock"), mixLock([acme]));
    const synced = await run("sync", ...from());
    expect([synced.code, synced.stderr]).toEqual([
      1,
      expect.stringContaining("it is a package of corp, which is this mirror's own"),
    ]);
    // A name that both have, since upstream's was here first, is told.
    await rm(mirror(""), { recursive: true });
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
    await run("sync", ...from());
    const fork = makeTarball({ name: "alpha", version: "1.0.0-fork" });
    expect((await run("add", await file(fork, "fork.tar"), "--repo", "corp")).stdout).toContain(
      "alpha is a package of hexpm's, too: rebar3 does not tell them apart",
    );
  });

  test("a repository that comes from elsewhere is not added to, and an organisation cannot take a name of ours", async () => {
    hex.publish([acme], { organisation: { name: "acme", token: "t" } });
    await writeFile(join(cwd, "mix.lock"), mixLock([], [lockEntry(acme, "", "hexpm:acme")]));
    expect((await mirrorHere(["sync", ...from()], { cwd, env: { MIRROR_TOKEN_ACME: "t" } })).code).toBe(0);
    const { code, stderr } = await run("add", await file(next, "n.tar"), "--repo", "acme");
    expect([code, stderr]).toEqual([1, expect.stringContaining('/repos/acme of this mirror is "hexpm:acme"')]);
    await rm(mirror(""), { recursive: true });
    await run("add", "n.tar", "--repo", "acme");
    const synced = await mirrorHere(["sync", ...from()], { cwd, env: { MIRROR_TOKEN_ACME: "t" } });
    expect([synced.code, synced.stderr]).toEqual([
      1,
      expect.stringContaining('/repos/acme of this mirror is "acme" and cannot be "hexpm:acme" too'),
    ]);
  });
});

const archives = hexArchives();

describe("real clients take it beside the rest", { timeout: 120_000 }, () => {
  const exec = (args: string[], folder = cwd) =>
    mirrorServer(["exec", "--mirror", mirror(""), "--offline", "--", ...args], {
      cwd: folder,
      env: { MIX_ARCHIVES: archives ?? "", MIX_HOME: join(cwd, "mix"), LANG: "C.UTF-8", ...rebar3ForMix() },
    });
  beforeEach(async () => {
    await run("sync", ...from(), "--package", "alpha@1.0.0");
  });

  test.skipIf(archives === undefined)("Mix builds, the mirror adds, Mix depends on it", async () => {
    await mkdir(join(cwd, "lib/lib"), { recursive: true });
    const project = (name: string, deps: string) =>
      `defmodule ${name}.MixProject do\n use Mix.Project\n def project, do: [app: :${name.toLowerCase()}, version: "1.0.0", description: "ours", package: [licenses: ["MIT"], links: %{}], deps: [${deps}]]\nend\n`;
    await writeFile(join(cwd, "lib/mix.exs"), project("Acme", '{:alpha, "~> 1.0"}'));
    await writeFile(join(cwd, "lib/lib/acme.ex"), "defmodule Acme do\n def hi, do: :hi\nend\n");
    const built = await exec(["sh", "-c", "mix deps.get && mix hex.build"], join(cwd, "lib"));
    expect([built.code, built.stdout + built.stderr]).toEqual([0, expect.stringContaining("Saved to acme-1.0.0.tar")]);
    expect((await run("add", "lib/acme-1.0.0.tar")).code).toBe(0);
    await mkdir(join(cwd, "app"));
    await writeFile(join(cwd, "app/mix.exs"), project("App", '{:acme, "~> 1.0", repo: "local"}'));
    const got = await exec(["sh", "-c", "mix deps.get && mix run -e 'IO.inspect Acme.hi()'"], join(cwd, "app"));
    expect([got.code, got.stdout + got.stderr]).toEqual([0, expect.stringContaining(":hi")]);
    expect(await readFile(join(cwd, "app/mix.lock"), "utf8")).toMatch(/"acme": \{:hex, :acme, "1\.0\.0", .* "local", /);
    expect((await run("verify", "app")).code).toBe(0);
  });

  test.skipIf(!isInstalled("rebar3", "--version"))("rebar3 takes it", async () => {
    await run("add", await file(acme, "a.tar"));
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{acme, "1.0.0"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const got = await exec(["rebar3", "get-deps"], join(cwd, "app"));
    expect([got.code, got.stdout + got.stderr]).toEqual([0, expect.stringContaining("acme")]);
    const source = await readFile(join(cwd, "app/_build/default/lib/acme/src/acme.erl"), "utf8");
    expect(source).toContain('"1.0.0"');
  });
});
