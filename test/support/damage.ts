/** Puts another content under an object's name, as bit rot or a careless copy would. */
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { deflateSync } from "node:zlib";
import { gitEnvironment } from "./git.ts";

export async function damageObject(dir: string, id: string, content: string): Promise<void> {
  // Out of the pack first: a packed object would win over a loose one.
  const packs = (await readdir(join(dir, "objects/pack"))).filter((name) => name.endsWith(".pack"));
  for (const pack of packs) {
    const outside = join(dir, "taken-out.pack");
    await rename(join(dir, "objects/pack", pack), outside);
    for (const suffix of [".idx", ".bitmap", ".rev"]) {
      await rm(join(dir, "objects/pack", pack.replace(/\.pack$/, suffix)), { force: true });
    }
    spawnSync("git", ["unpack-objects", "-q"], { cwd: dir, env: gitEnvironment, input: readFileSync(outside) });
    await rm(outside);
  }
  const path = join(dir, "objects", id.slice(0, 2), id.slice(2));
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await writeFile(path, deflateSync(`blob ${Buffer.byteLength(content)}\0${content}`));
}
