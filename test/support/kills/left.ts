/** What a run that was killed has left, as clients and as the next run see it. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { hexDigits } from "../../../src/hex/checksums.ts";
import { readPublicKey } from "../../../src/hex/keys.ts";
import { decodeNames, decodePackage, decodeVersions } from "../../../src/hex/records.ts";
import { verifyAndUnwrap } from "../../../src/hex/signed.ts";

/**
 * A registry is read as a client reads it, which verifies all that it takes. @returns what breaks the order of landing: a
 * package that `names` lists and `versions` does not, a release that `versions` lists and its record does not, one that its
 * record lists and whose tarball is not there or is another
 */
export async function brokenOrder(hexDir: string): Promise<string[]> {
  const read = async (name: string) => readFile(join(hexDir, name)).catch(() => undefined);
  const key = await read("public_key");
  const [names, versions] = [await read("names"), await read("versions")];
  if (key === undefined) return names === undefined && versions === undefined ? [] : ["lists without a key"];
  const publicKey = readPublicKey(key.toString(), "public_key");
  const listed = new Map(
    versions === undefined
      ? []
      : decodeVersions(verifyAndUnwrap(versions, publicKey)).packages.map((each) => [each.name, each.versions]),
  );
  const named = names === undefined ? [] : decodeNames(verifyAndUnwrap(names, publicKey)).packages;
  const broken = named.filter(({ name }) => !listed.has(name)).map(({ name }) => `${name} is in names alone`);
  for (const [name, expected] of listed) {
    const bytes = await read(`packages/${name}`);
    const releases = bytes === undefined ? [] : decodePackage(verifyAndUnwrap(bytes, publicKey)).releases;
    const missing = expected.filter((version) => !releases.some((release) => release.version === version));
    broken.push(...missing.map((version) => `the record of ${name} lists no ${version}`));
  }
  for (const { name } of await readdir(join(hexDir, "packages"), { withFileTypes: true }).catch(() => [])) {
    if (name.startsWith(".")) continue;
    const record = decodePackage(verifyAndUnwrap(await readFile(join(hexDir, "packages", name)), publicKey));
    for (const { version, outerChecksum } of record.releases) {
      const tarball = (await read(`tarballs/${name}-${version}.tar`)) ?? Buffer.alloc(0);
      const checksum = createHash("sha256").update(tarball).digest("hex");
      if (checksum !== hexDigits(outerChecksum)) broken.push(`${name} ${version} has not the tarball of its record`);
    }
  }
  return broken;
}

/** Every file and folder below it by path, hidden ones too, and what is in it. */
export async function treeOf(root: string, isLeftOut: (path: string) => boolean): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length + 1);
    if (isLeftOut(path)) continue;
    const content = entry.isFile() ? await readFile(join(root, path)) : "";
    seen[path] = entry.isFile() ? createHash("sha256").update(content).digest("hex") : "folder";
  }
  return seen;
}

/** Processes that work in this folder, or were told of it. */
export function processesOf(folder: string): { readonly pid: number; readonly command: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
        const isOf = command.includes(folder) || readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
        return isOf ? [{ pid: Number(pid), command }] : [];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
