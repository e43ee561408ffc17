/** In which order a registry is written, as the times of its files tell: at every point what is listed is there. */
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { makeTarball } from "../support/tarballs.ts";

const names = Array.from({ length: 24 }, (_, n) => `package${n}`);

test("records are written before lists that name their releases, and after lists that cease to", async () => {
  const cwd = await temporaryFolder();
  const hex = join(cwd, ".mirror/hex");
  const put = async (name: string, version: string) =>
    writeFile(join(hex, `tarballs/${name}-${version}.tar`), makeTarball({ name, version }).bytes);
  const written = async (resource: string) => (await stat(join(hex, resource), { bigint: true })).mtimeNs;
  const build = async () => {
    const adopt = names.flatMap((name) => ["--adopt", `${name}@1.1.0`]);
    const { code, stderr } = await mirrorHere(["build", ...(isFirst ? [] : adopt)], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    isFirst = false;
  };
  let isFirst = true;
  await mkdir(join(hex, "tarballs"), { recursive: true });
  for (const name of names) await put(name, "1.0.0");
  await build();
  const records = async () => Promise.all(names.map((name) => written(`packages/${name}`)));
  for (const time of await records()) expect(time).toBeLessThanOrEqual(await written("versions"));
  expect(await written("versions")).toBeLessThanOrEqual(await written("names"));

  for (const name of names) await put(name, "1.1.0");
  await build();
  for (const time of await records()) expect(time).toBeLessThanOrEqual(await written("versions"));

  for (const name of names) await rm(join(hex, `tarballs/${name}-1.0.0.tar`));
  const { code } = await mirrorHere(["build"], { cwd });
  expect(code).toBe(0);
  for (const time of await records()) expect(time).toBeGreaterThanOrEqual(await written("versions"));
});
