/** `status`: the facts of the page, for a terminal; `--watch` shows them again and again. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { main } from "../support/cli.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";

let cwd: string;
const eventually = { timeout: 20_000, interval: 100 };

beforeEach(async () => {
  cwd = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(cwd, ".mirror/hex"), { recursive: true });
  await mkdir(join(cwd, ".mirror/locks"));
  const hex = ["alder 1.10.0", "elm 0.0.1"].map((text) => {
    const [name = "", version = ""] = text.split(" ");
    return { app: name, name, version, repository: "hexpm" };
  });
  const skipped = [{ app: "odd", reason: `its source is ${"very ".repeat(20)}odd` }];
  await writeFile(join(cwd, ".mirror/locks/one.json"), JSON.stringify({ hex, git: [], submodules: [] }));
  await writeFile(join(cwd, ".mirror/locks/two.json"), JSON.stringify({ hex, git: [], submodules: [], skipped }));
});

test("says of each lock whether it is covered, and what not, in 80 columns", async () => {
  await rm(join(cwd, ".mirror/hex/tarballs/elm-0.0.1.tar"));
  const { code, stdout } = await mirrorHere(["status"], { cwd });
  expect(code).toBe(0);
  expect(stdout).toContain("  one: NOT covered, 2 packages, 0 repositories\n    missing elm 0.0.1: ");
  expect(stdout).toMatch(/ {4}skipped odd: its source is very/);
  expect(stdout).toMatch(/^warning: the tarball elm-0\.0\.1\.tar is listed and not here; run/m);
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  const json = JSON.parse((await mirrorHere(["status", "--json"], { cwd })).stdout) as { locks: object[] };
  expect(json.locks[0]).toMatchObject({
    name: "one",
    isCovered: false,
    lacks: [{ item: "elm 0.0.1", state: "missing" }],
  });
});

test("--watch says it again when it is otherwise, until it is stopped", async () => {
  const child = spawn(process.execPath, [main, "status", "--watch"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: cwd },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  await expect.poll(() => stdout, eventually).toContain("one: covered");
  await rm(join(cwd, ".mirror/hex/tarballs/elm-0.0.1.tar"));
  await expect.poll(() => stdout, eventually).toContain("one: NOT covered");
  // What was the same was not said again.
  expect(stdout.split("one: covered").length).toBe(2);
  const closed = once(child, "close");
  child.kill("SIGINT");
  const [code] = (await closed) as [number | null];
  expect(code).toBe(0);
});
