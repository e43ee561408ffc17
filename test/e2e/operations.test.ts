/** What guides/operations.md says of backups and disasters, done. */
import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, mixLock } from "../support/tarballs.ts";

let cwd: string;
let hex: HexUpstream;
let key: string;
let env: Record<string, string>;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta]);
  key = await hex.writePublicKey(at("upstream.pem"));
  const revision = await makeRepository(at("upstream/owner/repo.git"));
  const upstream = await startGitUpstream(at("upstream"));
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  await mkdir(at("app"));
  const repo = `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`;
  await writeFile(at("app/mix.lock"), mixLock([alpha, beta], [repo]));
  expect((await sync()).code).toBe(0);
});

const at = (path: string) => join(cwd, path);
const run = (command: string, ...args: string[]) => mirrorHere([command, ...args], { cwd, env });
const sync = (...args: string[]) => run("sync", "--hex-url", hex.url, "--hex-public-key", key, "app", ...args);
const publicKey = (dir = ".mirror") => readFile(at(`${dir}/hex/public_key`), "utf8");

test("a backup is the folder and the keys; restored, clients notice nothing", async () => {
  const server = await startServer([], { cwd });
  const ca = await (await fetch(`${server.url}/ca.pem`)).text();
  const before = await publicKey();
  // While it runs.
  execFileSync("tar", ["--exclude=.lock", "-cf", "backup.tar", ".mirror", "certs"], { cwd });
  await server.stop();
  await rm(at(".mirror"), { recursive: true });
  await rm(at("certs"), { recursive: true });
  execFileSync("tar", ["-xf", "backup.tar"], { cwd });
  expect((await run("verify", "--deep")).code).toBe(0);
  const again = await startServer([], { cwd });
  expect(await (await fetch(`${again.url}/ca.pem`)).text()).toBe(ca);
  expect(await (await fetch(`${again.url}/public_key`)).text()).toBe(before);
  expect((await sync()).stdout).toMatch(/^added 0, updated 0/);
});

test("a lost disk: the last image, and the key from where it was kept", async () => {
  const before = await publicKey();
  await cp(at(".mirror/private_key.pem"), at("kept_key.pem"));
  await run("pack", "image", "--with-private");
  await rm(at(".mirror"), { recursive: true });
  expect((await run("unpack", "image")).code).toBe(0);
  await cp(at("kept_key.pem"), at(".mirror/private_key.pem"));
  const { code, stdout } = await sync("--package", "beta@2.1.0");
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 0, updated 0/)]);
  expect(await publicKey()).toBe(before);
  expect((await run("verify")).code).toBe(0);
});

test("a lost key: what is held is served as it is, nothing new is signed, and another key is made on purpose", async () => {
  const before = await publicKey();
  await rm(at(".mirror/private_key.pem"));
  hex.publish([alpha, beta]);
  const server = await startServer(["--no-tls"], { cwd });
  expect((await fetch(`${server.url}/packages/alpha`)).status).toBe(200);
  await server.stop();
  const refused = await run("build");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/--new-key/)]);
  expect(await publicKey()).toBe(before);
  expect((await run("build", "--new-key")).code).toBe(0);
  expect(await publicKey()).not.toBe(before);
  expect((await run("verify", "--deep")).code).toBe(0);
});
