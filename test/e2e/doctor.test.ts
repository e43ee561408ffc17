/** `doctor`: what stands in the way on a machine, in words, and whether anything does. */
import { createServer } from "node:http";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mirrorServer, startServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { freePort } from "../support/free-port.ts";
import { listenOnLoopback } from "../support/loopback.ts";

async function doctor(cwd: string, args: string[], env: Record<string, string> = {}) {
  return mirrorServer(["doctor", "--no-tls", ...args], { cwd, env });
}

test("where nothing is wrong it says so, and each setting of the user's with what is done about it", async () => {
  const cwd = await temporaryFolder();
  await mkdir(join(cwd, ".hex"));
  await writeFile(join(cwd, ".hex/hex.config"), '{cooldown,<<"7d">>}.\n{api_key,<<"s3cret">>}.\n');
  await writeFile(join(cwd, ".gitconfig"), '[url "https://T0KEN@github.com/"]\n\tinsteadOf = https://github.com/\n');
  const env = { HEX_OFFLINE: "1", HTTPS_PROXY: "http://me:s3cret@proxy.example:3128" };
  const { code, stdout } = await doctor(cwd, ["--port", String(await freePort())], env);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/\n\nnothing stands in the way\n$/)]);
  for (const words of [
    /ok {4}node: 2\d/,
    /mind {2}mirror: there is none in .* yet/,
    /ok {4}port: \d+ is free/,
    /ok {4}proxy: one, for what is fetched/,
    /git \(its configuration\): does not count in exec: url\.….insteadof/,
    /Hex \(environment\): does not count in exec: HEX_OFFLINE/,
    /Hex \(hex\.config\): kept: cooldown/,
    /Hex \(hex\.config\): does not count in exec: api_key/,
  ]) {
    expect(stdout).toMatch(words);
  }
  expect(stdout).not.toMatch(/s3cret|T0KEN/);
});

test("what is wrong ends it with 1: a port that is taken, a proxy that is none, a clock that is late", async () => {
  const cwd = await temporaryFolder();
  const port = new URL(await listenOnLoopback(createServer((request) => request.socket.destroy()))).port;
  await mkdir(join(cwd, ".mirror"));
  await writeFile(join(cwd, ".mirror/private_key.pem"), "no key", { mode: 0o600 });
  await writeFile(join(cwd, "mix.lock"), "nonsense");
  await writeFile(join(cwd, ".gitconfig"), "[http\n");
  await utimes(join(cwd, ".mirror"), new Date("2099-01-01"), new Date("2099-01-01"));
  const { code, stdout } = await doctor(cwd, ["--port", port], { HTTP_PROXY: "ftp://proxy" });
  expect(code).toBe(1);
  expect(stdout).toMatch(/WRONG server: what answers at http:\S+ does not prove to be a server of yours/);
  expect(stdout).toMatch(/WRONG proxy: HTTP_PROXY names no proxy/);
  expect(stdout).toMatch(/WRONG clock: something here was written at 2099-01-01/);
  expect(stdout).toMatch(/WRONG looking: .*private_key\.pem/);
  expect(stdout).toMatch(/WRONG looking: git cannot read its settings: .*bad config/);
  expect(stdout).toMatch(/WRONG lock: .*mix\.lock/);
  expect(stdout).toMatch(/\n6 of these stand in the way\n$/);
});

test("a server that runs is known, and --json tells all of it", async () => {
  const cwd = await temporaryFolder();
  const server = await startServer(["--no-tls"], { cwd });
  const { code, stdout } = await doctor(cwd, ["--json"]);
  const found = JSON.parse(stdout) as { ok: boolean; server: { state: string; url: string; secret?: string } };
  expect([code, found.ok, found.server.state, found.server.url]).toEqual([0, true, "this", server.url]);
  expect(stdout).not.toContain("secret");
});
