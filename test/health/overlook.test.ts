/** What looks in the background goes on, whatever becomes of one look. */
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Overlook, type Overview } from "../../src/health/overlook.ts";
import { StorePaths } from "../../src/store/paths.ts";
import { noteUnsigned } from "../../src/store/unsigned.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";

async function goldenMirror(): Promise<{ readonly mirror: string; readonly paths: StorePaths }> {
  const mirror = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(mirror, "hex"), { recursive: true });
  const below = (name: string) => join(mirror, name);
  const paths = new StorePaths({
    mirror,
    hexDir: below("hex"),
    gitDir: below("git"),
    cacheDir: below("cache"),
    certsDir: below("certs"),
    privateKey: below("private_key.pem"),
  });
  return { mirror, paths };
}

test("a look that fails is not the last one", async () => {
  const { paths } = await goldenMirror();
  const overlook = new Overlook(paths, { reftable: false, systemFile: false });
  onTestFinished(() => overlook.close());
  await overlook.now();
  let looks = 0;
  overlook.deeds.list = () => {
    looks += 1;
    if (looks === 1) throw new Error("no room for another open file");
    return [];
  };
  overlook.start();
  await expect.poll(() => looks, { timeout: 10_000, interval: 50 }).toBeGreaterThan(2);
  expect((await overlook.now()).lookedAt).toBeDefined();
});

test("of what is so for a moment while somebody writes nobody hears who asks for it, and of what stays so everybody", async () => {
  const { mirror, paths } = await goldenMirror();
  const overlook = new Overlook(paths, { reftable: false, systemFile: false });
  onTestFinished(() => overlook.close());
  await writeFile(join(mirror, "hex/tarballs/elm-0.0.2.tar"), "new");
  const complaint = () => overlook.complaint("/tarballs/elm-0.0.2.tar", true);
  await overlook.now();
  expect(complaint()).toBeUndefined();
  await expect
    .poll(async () => (await overlook.now()) && complaint(), { timeout: 10_000 })
    .toMatch(/is here and not signed/);
  await rm(join(mirror, "hex/tarballs/elm-0.0.2.tar"));
  await overlook.now();
  await expect.poll(async () => (await overlook.now()) && complaint(), { timeout: 10_000 }).toBeUndefined();
});

test("what came and is noted as still to be signed is told by a single look, and to no client for a good while", async () => {
  const { mirror, paths } = await goldenMirror();
  const overlook = new Overlook(paths, { reftable: false, systemFile: false });
  onTestFinished(() => overlook.close());
  paths.lockDir.makeFolder();
  await noteUnsigned(paths, new Map([["hexpm", new Set(["elm"])]]));
  for (const name of ["elm-0.0.2.tar", "other-1.0.0.tar"]) await writeFile(join(mirror, "hex/tarballs", name), "new");
  const complaint = (name: string) => overlook.complaint(`/tarballs/${name}`, true);
  await expect
    .poll(async () => (await overlook.now()) && complaint("other-1.0.0.tar"), { timeout: 10_000 })
    .toMatch(/is here and not signed/);
  expect(complaint("elm-0.0.2.tar")).toBeUndefined();
  const unsigned = ({ problems }: Overview) => problems.filter(({ kind }) => kind === "unsigned").length;
  expect(unsigned(await overlook.now())).toBe(1);
  expect(unsigned(await new Overlook(paths, { reftable: false, systemFile: false }).once())).toBe(2);
  await noteUnsigned(paths, new Map());
  await expect
    .poll(async () => (await overlook.now()) && complaint("elm-0.0.2.tar"), { timeout: 10_000 })
    .toMatch(/is here and not signed/);
});
