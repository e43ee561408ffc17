/** `serve --watch`: a lock that changes is synced, and what is held is served meanwhile. */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, makeTarball, mixLock } from "../support/tarballs.ts";

let cwd: string;
let app: string;
let hex: HexUpstream;
let server: RunningServer;
const other = makeTarball({ name: "other", version: "1.0.0" });
const eventually = { timeout: 20_000, interval: 100 };

beforeEach(async () => {
  cwd = await temporaryFolder();
  app = join(cwd, "app");
  await mkdir(app);
  hex = await startHexUpstream([alpha, beta, other]);
});

const start = async (...more: string[]) => {
  const flags = [
    "--hex-url",
    hex.url,
    "--hex-public-key",
    await hex.writePublicKey(join(cwd, "upstream.pem")),
    "--no-tls",
  ];
  // Nothing is fetched because a client asks: what is here came by the lock.
  const env = { MIRROR_OFFLINE: "false", MIRROR_PULL: "false" };
  server = await startServer([...flags, "--watch", app, ...more], { cwd, env });
};
const status = async (path: string) => (await fetch(`${server.url}${path}`)).status;
const health = async () =>
  (await (await fetch(`${server.url}/health`)).json()) as { status: string; problems: string[] };

test("locks are synced at the start and when they change, however they are written", async () => {
  await writeFile(join(app, "mix.lock"), mixLock([alpha]));
  await start();
  await expect.poll(async () => status("/packages/alpha"), eventually).toBe(200);
  await writeFile(join(app, "mix.lock"), mixLock([alpha, beta]));
  await expect.poll(async () => status("/tarballs/beta-2.1.0.tar"), eventually).toBe(200);
  await writeFile(join(app, "mix.lock.new"), mixLock([alpha, beta, other]));
  await rename(join(app, "mix.lock.new"), join(app, "mix.lock"));
  await expect.poll(async () => status("/tarballs/other-1.0.0.tar"), eventually).toBe(200);
  expect(await health()).toMatchObject({ status: "ok" });
}, 60_000);

test("a lock may come later, and one that cannot be read or synced is told, while all else is served", async () => {
  await start();
  await expect
    .poll(async () => (await health()).problems.join(), eventually)
    .toMatch(/there is no mix\.lock, rebar\.lock or manifest\.toml/);
  await writeFile(join(app, "mix.lock"), mixLock([alpha]));
  await expect.poll(async () => status("/packages/alpha"), eventually).toBe(200);
  await expect.poll(async () => (await health()).status, eventually).toBe("ok");
  await writeFile(join(app, "mix.lock"), "%{");
  await expect
    .poll(async () => (await health()).problems.join(), eventually)
    .toMatch(/the locks that are watched could not be synced/);
  await writeFile(join(app, "mix.lock"), mixLock([alpha, makeTarball({ name: "gone", version: "1.0.0" })]));
  await expect.poll(async () => (await health()).problems.join(), eventually).toMatch(/gone/);
  expect(await status("/packages/alpha")).toBe(200);
  await writeFile(join(app, "mix.lock"), mixLock([alpha, other]));
  await expect.poll(async () => (await health()).status, eventually).toBe("ok");
  expect(await status("/tarballs/other-1.0.0.tar")).toBe(200);
}, 90_000);

test("a lock that was away for a while, as when branches are switched, is watched as before", async () => {
  await writeFile(join(app, "mix.lock"), mixLock([alpha]));
  await start();
  await expect.poll(async () => status("/packages/alpha"), eventually).toBe(200);
  await rm(join(app, "mix.lock"));
  await expect.poll(async () => (await health()).problems.length, eventually).toBe(1);
  await writeFile(join(app, "mix.lock"), mixLock([alpha, beta]));
  await expect.poll(async () => status("/tarballs/beta-2.1.0.tar"), eventually).toBe(200);
  await writeFile(join(app, "mix.lock"), mixLock([alpha, beta, other]));
  await expect.poll(async () => status("/tarballs/other-1.0.0.tar"), eventually).toBe(200);
}, 90_000);

test("watching offline is refused", async () => {
  const { code, stderr } = await mirrorServer(["serve", "--watch", app, "--offline", "--port", "0", "--no-tls"], {
    cwd,
  });
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining("--watch fetches what locks name, and --offline says never to"),
  ]);
});
