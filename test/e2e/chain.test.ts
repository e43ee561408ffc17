/** A mirror that asks another one: laptop → office → Internet. */
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { decodePackage } from "../../src/hex/records.ts";
import { fingerprint, readPublicKey } from "../../src/hex/keys.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository, redirectGit, startGitUpstream, type GitUpstream } from "../support/git.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { freePort } from "../support/free-port.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { alpha, beta, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const mine = makeTarball({ name: "mine", version: "0.1.0" });
const laptops = 10;

let cwd: string;
let hex: HexUpstream;
let upstream: GitUpstream;
let revision: string;
let office: RunningServer;
let key: string;
const files: string[] = [];

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta]);
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  upstream = await startGitUpstream(join(cwd, "upstream"));
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  files.length = 0;
  const other = await listenOnLoopback(
    createServer((request, response) => {
      files.push(request.url ?? "");
      response.end("a release asset");
    }),
  );
  await mkdir(join(cwd, "office/.mirror/hex/tarballs"), { recursive: true });
  await writeFile(join(cwd, "office/.mirror/hex/tarballs/mine-0.1.0.tar"), mine.bytes);
  expect(await mirrorServer(["build"], { cwd: join(cwd, "office") })).toMatchObject({ code: 0 });
  const asset = "owner/repo/releases/download/v1/tool";
  await writeFile(join(cwd, "office/mirror.config.json"), JSON.stringify({ files: [{ url: `${other}/${asset}` }] }));
  const env = { MIRROR_OFFLINE: "false", ...redirectGit({ "https://github.com/": `${upstream.url}/` }) };
  const flags = ["--pull", "--hex-url", hex.url, "--hex-public-key", key, "--allow-hosts", "127.0.0.1", "--no-tls"];
  office = await startServer(flags, { cwd: join(cwd, "office"), env });
});

/** One that has only the office's mirror to ask. */
const laptop = async (name: string, ...more: string[]) => {
  await mkdir(join(cwd, name));
  const flags = [
    "--upstream",
    office.url,
    "--hex-public-key",
    key,
    "--no-tls",
    "--cache-dir",
    join(cwd, name, "cache"),
  ];
  return startServer([...flags, ...more], { cwd: join(cwd, name), env: { MIRROR_OFFLINE: "false" } });
};
const bytes = async (server: RunningServer, path: string) => {
  const answer = await fetch(`${server.url}${path}`);
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
};

test("ten laptops have everything, and each thing crosses the line once", async () => {
  const servers = await Promise.all(Array.from({ length: laptops }, async (_, n) => laptop(`laptop-${n}`)));
  await Promise.all(
    servers.map(async (server, n) => {
      expect((await bytes(server, "/packages/alpha")).status).toBe(200);
      expect((await bytes(server, "/tarballs/alpha-1.0.0.tar")).body.equals(alpha.bytes)).toBe(true);
      expect((await bytes(server, "/tarballs/beta-2.1.0.tar")).body.equals(beta.bytes)).toBe(true);
      await git(cwd, ["clone", "-q", `${server.url}/github.com/owner/repo.git`, `clone-${n}`]);
      expect(await git(join(cwd, `clone-${n}`), ["rev-parse", "HEAD"])).toBe(revision);
    }),
  );
  for (const path of ["/packages/alpha", "/packages/beta", "/tarballs/alpha-1.0.0.tar", "/tarballs/beta-2.1.0.tar"]) {
    expect([path, hex.log.filter((line) => line.endsWith(` ${path}`)).length]).toEqual([path, 1]);
  }
  // One clone passes through, one more looks whether anything is missing.
  const packs = upstream.sent;
  expect(packs).toBeLessThan(20_000);
  // Its own registry, signed anew, of what hex.pm's key vouches for from end to end.
  const [first] = servers;
  const own = readPublicKey((await bytes(first ?? office, "/public_key")).body.toString(), "public_key");
  expect(fingerprint(own)).not.toBe(
    fingerprint(readPublicKey((await bytes(office, "/public_key")).body.toString(), "k")),
  );
  const { body } = await bytes(first ?? office, "/packages/alpha");
  expect(decodePackage(verifyAndUnwrap(body, own)).releases.map(({ version }) => version)).toEqual(["1.0.0"]);
}, 120_000);

test("sixty clients of three replicas that pull from one writer, and each thing is fetched once", async () => {
  const servers = await Promise.all([0, 1, 2].map(async (n) => laptop(`replica-${n}`)));
  const paths = ["/packages/alpha", "/packages/beta", "/tarballs/alpha-1.0.0.tar", "/tarballs/beta-2.1.0.tar"];
  const wrong: string[] = [];
  const visit = async (client: number) => {
    const server = servers[client % servers.length] ?? office;
    for (const path of paths) {
      const { status } = await bytes(server, path);
      if (status !== 200) wrong.push(`${path}: ${status}`);
    }
    if (client % 10 === 0)
      await git(cwd, ["clone", "-q", `${server.url}/github.com/owner/repo.git`, `visit-${client}`]);
  };
  await Promise.all(Array.from({ length: 60 }, async (_, client) => visit(client)));
  expect(wrong).toEqual([]);
  for (const path of paths)
    expect([path, hex.log.filter((line) => line.endsWith(` ${path}`)).length]).toEqual([path, 1]);
  expect(upstream.sent).toBeLessThan(20_000);
}, 120_000);

test("two mirrors that ask each other find that out", async () => {
  const port = await freePort();
  const there = await laptop("there", "--upstream", `http://127.0.0.1:${port}`);
  await mkdir(join(cwd, "here"));
  const flags = ["--upstream", there.url, "--hex-public-key", key, "--no-tls", "--port", String(port)];
  const here = await startServer(flags, { cwd: join(cwd, "here"), env: { MIRROR_OFFLINE: "false" } });
  const began = performance.now();
  expect((await bytes(here, "/packages/alpha")).status).toBe(502);
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(there.log() + here.log()).toMatch(/"status":508/);
}, 60_000);

test("sync goes the same way", async () => {
  await mkdir(join(cwd, "app"));
  await writeFile(
    join(cwd, "app/mix.lock"),
    mixLock([alpha], [lockEntry(beta), `"repo": {:git, "git@github.com:owner/repo.git", "${revision}", []}`]),
  );
  const args = ["sync", "app", "--upstream", office.url, "--hex-public-key", key];
  const { code, stderr } = await mirrorServer(args, { cwd });
  expect([code, stderr]).toEqual([0, expect.anything()]);
  expect(await mirrorServer(["verify", "app"], { cwd })).toMatchObject({ code: 0 });
});

test("the office's own packages are had by its key's fingerprint, and by nothing else", async () => {
  const theirs = fingerprint(readPublicKey((await bytes(office, "/public_key")).body.toString(), "public_key"));
  const without = await laptop("without");
  expect((await bytes(without, "/packages/mine")).status).toBe(404);
  const wrong = await laptop("wrong", "--upstream-key", `SHA256:${"A".repeat(43)}`);
  expect((await bytes(wrong, "/packages/mine")).status).toBe(502);
  const right = await laptop("right", "--upstream-key", theirs, "--max-age", "0");
  const record = async () => {
    const own = readPublicKey((await bytes(right, "/public_key")).body.toString(), "public_key");
    const { body } = await bytes(right, "/packages/mine");
    return decodePackage(verifyAndUnwrap(body, own)).releases.map(({ version }) => version);
  };
  expect(await record()).toEqual(["0.1.0"]);
  expect((await bytes(right, "/tarballs/mine-0.1.0.tar")).body.equals(mine.bytes)).toBe(true);
  // Of hex.pm's packages the office's key vouches for none.
  expect((await bytes(right, "/tarballs/alpha-1.0.0.tar")).body.equals(alpha.bytes)).toBe(true);
  await office.stop();
  expect(await record()).toEqual(["0.1.0"]);
  expect(hex.log.filter((line) => line.includes("mine"))).toEqual([]);
}, 60_000);
