/**
 * Several processes that write to one mirror: none waits for another's network, and at every point what is listed is there,
 * whoever adds, signs, removes or is killed meanwhile.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { hexDigits } from "../../src/hex/checksums.ts";
import { readPublicKey } from "../../src/hex/keys.ts";
import { decodePackage, decodeVersions } from "../../src/hex/records.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { main, mirrorServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { makeTarball, mixLock, type MadeTarball } from "../support/tarballs.ts";
import { createHash } from "node:crypto";

const count = 24;
const made = (prefix: string) =>
  Array.from({ length: count }, (_, n) => makeTarball({ name: `${prefix}${n}`, version: "1.0.0" }));
const first = made("first");
const second = made("second");
const old = made("old");

let cwd: string;
let hex: HexUpstream;
let options: string[];

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([...first, ...second, ...old]);
  options = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
});

const mirror = (path: string) => join(cwd, ".mirror", path);
const run = (...args: string[]) => mirrorServer(args, { cwd });
const lock = async (name: string, tarballs: readonly MadeTarball[]) =>
  writeFile(join(cwd, `${name}.lock`), mixLock(tarballs));
const sync = (name: string) => run("sync", `${name}.lock`, "--lock-name", name, ...options);

/** Upstream's first answer of this path waits until it is let go. @returns when it was asked for, and what lets go */
function hold(path: string): { readonly asked: Promise<void>; readonly release: () => void } {
  let isHeld = false;
  let release = (): void => undefined;
  let ask = (): void => undefined;
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  hex.intercept = (request, response) => {
    if (request.url !== path || isHeld) return false;
    isHeld = true;
    ask();
    void released.then(() => response.end(hex.files.get(path)));
    return true;
  };
  return { asked, release };
}

test("a sync that waits for upstream keeps nobody from syncing, building, pruning or verifying", async () => {
  await lock("old", old);
  await lock("first", first);
  await lock("second", second);
  expect((await sync("old")).code).toBe(0);
  const { asked, release } = hold("/tarballs/first0-1.0.0.tar");
  const waiting = sync("first");
  await asked;
  const others = await Promise.all([
    sync("second"),
    run("build"),
    run("verify", "--deep", "old.lock", "--lock-name", "old"),
  ]);
  // What the waiting one has brought, and will bring, is wanted: prune knows its lock by now.
  const pruned = await run("prune", "--keep-locks", "first,second");
  expect([...others, pruned].map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  expect(pruned.stdout).not.toMatch(/removed (?:first|second)/);
  release();
  expect((await waiting).code).toBe(0);
  expect((await run("verify")).stdout).toMatch(/^complete and intact: 48 checked for first, second/);
  expect((await run("build", "--dry-run")).stdout).toMatch(/would write 0 files/);
});

test("what two syncs ask for at once is known ever after, and the lock that was synced last counts", async () => {
  const ask = (name: string) => run("sync", "--package", `${name}@1.0.0`, "app.lock", "--lock-name", "app", ...options);
  const { asked, release } = hold("/tarballs/first0-1.0.0.tar");
  await lock("app", [first[1]!]);
  const slow = ask("first0");
  await asked;
  await lock("app", [first[2]!]);
  expect((await ask("second0")).code).toBe(0);
  release();
  expect((await slow).code).toBe(0);
  const named = async (name: string) => {
    const { hex: entries } = JSON.parse(await readFile(mirror(`locks/${name}.json`), "utf8")) as {
      hex: { name: string }[];
    };
    return entries.map((entry) => entry.name);
  };
  expect(await named("+packages")).toEqual(["first0", "second0"]);
  expect(await named("app")).toEqual(["first2"]);
  expect((await run("prune")).stdout).not.toMatch(/removed (?:first0|second0|first2)/);
});

test("at every point what is listed is there, while two syncs, builds and prunes work side by side", async () => {
  await lock("old", old);
  await sync("old");
  await lock("old", old.slice(1));
  await sync("old");
  await lock("first", first);
  await lock("second", second);
  hex.intercept = (request, response) => {
    const bytes = hex.files.get(request.url ?? "");
    if (bytes === undefined) return false;
    void sleep(20).then(() => response.writeHead(200, { "content-length": bytes.length }).end(bytes));
    return true;
  };
  const over = new AbortController();
  const looking = look(over.signal);
  const repeat = async (...args: string[]) => {
    const codes: (number | null)[] = [];
    while (!over.signal.aborted) codes.push((await run(...args)).code);
    return codes;
  };
  const beside = Promise.all([repeat("build"), repeat("prune")]);
  const codes = (await Promise.all([sync("first"), sync("second"), sync("first")])).map(({ code }) => code);
  over.abort();
  expect(codes).toEqual([0, 0, 0]);
  expect(new Set((await beside).flat())).toEqual(new Set([0]));
  const { violations, looks } = await looking;
  expect(violations).toEqual([]);
  expect(looks).toBeGreaterThan(10);
  expect((await run("verify")).code).toBe(0);
  await expect(stat(mirror("hex/tarballs/old0-1.0.0.tar"))).rejects.toThrow("ENOENT");
});

test("what a killed sync has left unsigned is signed by the next writer", async () => {
  await lock("first", first);
  await lock("second", second);
  const { asked } = hold("/tarballs/first0-1.0.0.tar");
  const child = spawn(process.execPath, [main, "sync", "first.lock", "--lock-name", "first", ...options], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: cwd },
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await asked;
  await until(() => stat(mirror("hex/tarballs/first1-1.0.0.tar")));
  child.kill("SIGKILL");
  await once(child, "close");
  const note = JSON.parse(await readFile(mirror(".lock/unsigned.json"), "utf8")) as { hexpm: string[] };
  expect(note.hexpm).toContain("first1");
  hex.intercept = () => false;
  expect((await sync("second")).code).toBe(0);
  await expect(access(mirror(".lock/unsigned.json"))).rejects.toThrow("ENOENT");
  expect((await listed()).get("first1")).toEqual(["1.0.0"]);
  expect((await sync("first")).stdout).toMatch(/^added \d+, .*failed 0/);
  expect((await run("verify")).code).toBe(0);
  await rm(mirror("hex/tarballs/first1-1.0.0.tar"));
});

async function until(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const isDone = await work().then(
      () => true,
      () => false,
    );
    if (isDone) return;
    await sleep(10);
  }
}

/** By package, the versions that `versions` names; none where nothing is signed yet. */
async function listed(): Promise<Map<string, string[]>> {
  const key = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "public_key");
  const { packages } = decodeVersions(verifyAndUnwrap(await readFile(mirror("hex/versions")), key));
  return new Map(packages.map(({ name, versions }) => [name, versions]));
}

/** Reads the registry as a client does, again and again. @returns what was listed and not there */
async function look(over: AbortSignal): Promise<{ readonly violations: string[]; readonly looks: number }> {
  const violations: string[] = [];
  let looks = 0;
  while (!over.aborted) {
    const lists = await listed();
    looks += 1;
    for (const [name, versions] of lists) {
      for (const version of versions) {
        const problem = await problemWith(name, version);
        // Lists cease to name it before it goes.
        if (problem !== undefined && (await listed()).get(name)?.includes(version)) violations.push(problem);
      }
    }
    await sleep(1);
  }
  return { violations, looks };
}

async function problemWith(name: string, version: string): Promise<string | undefined> {
  const key = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "public_key");
  const bytes = await readFile(mirror(`hex/packages/${name}`)).catch(() => undefined);
  if (bytes === undefined) return `${name} has no record`;
  const release = decodePackage(verifyAndUnwrap(bytes, key)).releases.find((each) => each.version === version);
  if (release === undefined) return `the record of ${name} lists no ${version}`;
  const tarball = await readFile(mirror(`hex/tarballs/${name}-${version}.tar`)).catch(() => Buffer.alloc(0));
  const checksum = createHash("sha256").update(tarball).digest("hex");
  return checksum === hexDigits(release.outerChecksum)
    ? undefined
    : `${name} ${version} has not the tarball of its record`;
}
