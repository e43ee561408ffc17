/** Gleam: its manifest is a lock; its client asks repo.hex.pm by name, so what exec can do is to fill its cache. */
import { request } from "node:https";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { beforeEach, describe, expect, test } from "vitest";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { decodePackage } from "../../src/hex/records.ts";
import { mirrorServer, startServer } from "../support/cli.ts";
import { isInstalled } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { makeTarball, type MadeTarball } from "../support/tarballs.ts";

const one = makeTarball({ name: "one", version: "1.0.0" });
const two = makeTarball({ name: "two", version: "2.0.0" });

let cwd: string;
let hex: HexUpstream;
let from: string[];

const line = ({ name, version, outerChecksum }: MadeTarball) =>
  `  { name = "${name}", version = "${version}", build_tools = ["rebar3"], requirements = [], otp_app = "${name}", source = "hex", outer_checksum = "${outerChecksum.toUpperCase()}" },\n`;
const lock = async (...packages: MadeTarball[]) =>
  writeFile(join(cwd, "manifest.toml"), `packages = [\n${packages.map(line).join("")}]\n\n[requirements]\n`);

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([one, two]);
  from = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
  await writeFile(join(cwd, "gleam.toml"), 'name = "app"\nversion = "1.0.0"\n[dependencies]\n');
  await lock(one);
});

const run = (...args: string[]) => mirrorHere(args, { cwd });

describe("a manifest.toml", () => {
  test("is found beside a gleam.toml, synced, verified and known", async () => {
    const synced = await run("sync", ...from);
    expect([synced.code, synced.stderr]).toEqual([0, expect.stringContaining("added one 1.0.0")]);
    expect((await run("verify")).stdout).toContain("complete and intact: 1 checked");
    expect((await run("why", "one")).stdout).toContain("-gleam");
    await lock(one, two);
    expect((await run("verify")).code).toBe(3);
    const wrong = makeTarball({ name: "one", version: "1.0.0", description: "other bytes" });
    await lock(wrong);
    const refused = await run("verify");
    expect([refused.code, refused.stdout]).toEqual([
      3,
      expect.stringContaining("its outer checksum is not the one in the lock"),
    ]);
  });

  test("of another tool is not looked for, and one that is missing is asked for by its command", async () => {
    const other = await temporaryFolder();
    await writeFile(join(other, "manifest.toml"), "[[deps]]\n");
    expect((await mirrorHere(["sync"], { cwd: other })).stderr).toContain(
      "there is no mix.lock, rebar.lock or manifest.toml in",
    );
    await writeFile(join(other, "gleam.toml"), "");
    expect((await mirrorHere(["sync"], { cwd: other })).stderr).toContain("is no manifest of Gleam's");
    const empty = await temporaryFolder();
    await writeFile(join(empty, "gleam.toml"), "");
    expect((await mirrorHere(["sync"], { cwd: empty })).stderr).toContain('run "gleam deps download" there once');
  });

  test("is watched", async () => {
    const server = await startServer(["--no-tls", "--watch", cwd, ...from], { cwd, env: { MIRROR_OFFLINE: "false" } });
    await expect
      .poll(async () => (await fetch(`${server.url}/tarballs/one-1.0.0.tar`)).status, { timeout: 10_000 })
      .toBe(200);
    await lock(one, two);
    await expect
      .poll(async () => readdir(join(cwd, ".mirror/hex/tarballs")), { timeout: 15_000 })
      .toEqual(["one-1.0.0.tar", "two-2.0.0.tar"]);
  });
});

describe("Gleam's cache", () => {
  const cache = () => join(cwd, ".cache/gleam/hex/hexpm/packages");
  const exec = async () => mirrorServer(["exec", "--", "true"], { cwd, env: { XDG_CACHE_HOME: join(cwd, ".cache") } });

  test("is given what the manifest locks and the mirror holds, under both of its names, and nothing else", async () => {
    await run("sync", ...from);
    await lock(one, two);
    expect((await exec()).stderr).toContain("two 2.0.0");
    expect((await readdir(cache())).sort()).toEqual([`${one.outerChecksum.toUpperCase()}.tar`, "one-1.0.0.tar"].sort());
    expect(await readFile(join(cache(), "one-1.0.0.tar"))).toEqual(one.bytes);
  });

  test("is given nothing that is not what the manifest locks", async () => {
    await run("sync", ...from);
    await writeFile(join(cwd, ".mirror/hex/tarballs/one-1.0.0.tar"), two.bytes);
    await exec();
    expect(await readdir(cache()).catch(() => [])).toEqual([]);
    // Nor is what is there replaced.
    await mkdir(cache(), { recursive: true });
    await writeFile(join(cache(), "one-1.0.0.tar"), "its own");
    await writeFile(join(cwd, ".mirror/hex/tarballs/one-1.0.0.tar"), one.bytes);
    await exec();
    expect(await readFile(join(cache(), "one-1.0.0.tar"), "utf8")).toBe("its own");
  });
});

test("what Gleam asks for by name is there, by TLS, as upstream signed it", async () => {
  await run("sync", ...from);
  const server = await startServer([], { cwd });
  const ca = await readFile(join(cwd, "certs/public/ca.pem")).catch(async () => readFile(join(cwd, "certs/ca.pem")));
  const get = async (host: string, path: string, accept: string) =>
    new Promise<{ status: number | undefined; body: Buffer }>((resolve, reject) => {
      const options = {
        host: "127.0.0.1",
        port: server.tlsPort,
        servername: host,
        path,
        ca,
        headers: { host, accept },
      };
      request(options, (response) => {
        buffer(response).then((body) => resolve({ status: response.statusCode, body }), reject);
      })
        .on("error", reject)
        .end();
    });
  const record = await get("repo.hex.pm", "/packages/one", "application/json");
  expect(decodePackage(verifyAndUnwrap(record.body, hex.key))).toMatchObject({ name: "one", repository: "hexpm" });
  const tarball = await get("repo.hex.pm", "/tarballs/one-1.0.0.tar", "application/x-tar");
  expect(createHash("sha256").update(tarball.body).digest("hex")).toBe(one.outerChecksum);
  const release = await get("hex.pm", "/api/packages/one/releases/1.0.0", "application/json");
  expect(JSON.parse(release.body.toString())).toMatchObject({
    version: "1.0.0",
    requirements: {},
    checksum: one.outerChecksum,
    meta: { app: "one", build_tools: ["rebar3"] },
  });
});

test("what init writes for compose stands in for the hosts that Gleam asks", async () => {
  await run("sync", ...from);
  await writeFile(join(cwd, "docker-compose.yml"), "services:\n  app:\n    image: gleam\n    command: gleam test\n");
  expect((await run("init", "--compose")).code).toBe(0);
  const written = await readFile(join(cwd, "docker-compose.mirror.yml"), "utf8");
  expect(written).toMatch(/links: .*"mirror:repo\.hex\.pm"/);
  expect(written).toMatch(/links: .*"mirror:hex\.pm"/);
  expect(await readFile(join(cwd, "mirror/entrypoint.sh"), "utf8")).toContain("GLEAM_CACERTS_PATH=");
});

// In no registry that this project installs from.
test.skipIf(!isInstalled("gleam", "--version"))("gleam downloads from its cache alone", async () => {
  await run("sync", ...from);
  await writeFile(join(cwd, "gleam.toml"), 'name = "app"\nversion = "1.0.0"\n[dependencies]\none = "~> 1.0"\n');
  const { code, stdout, stderr } = await mirrorServer(["exec", "--hermetic", "--", "gleam", "deps", "download"], {
    cwd,
    env: { XDG_CACHE_HOME: join(cwd, ".cache") },
  });
  expect([code, stdout + stderr]).toEqual([0, expect.not.stringContaining("refused")]);
});
