/**
 * Files appear whole or not at all: written beside their target under a temporary name, synced, renamed. A file whose
 * content is already right is left alone, mtime included.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MirrorError, hasErrno } from "../errors.ts";

const temporary = /^\..*\.tmp-[0-9a-f]{12}$/;

/** `/m/names` → `/m/.names.tmp-1f2e3d4c5b6a`; in the same folder, since a rename must not cross file systems. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp-${randomBytes(6).toString("hex")}`);
}

/** @throws MirrorError `storage` */
export async function writeAtomic(path: string, content: Uint8Array | string, mode = 0o644): Promise<void> {
  await writeTogether([{ path, content, mode }]);
}

export interface NewFile {
  readonly path: string;
  readonly content: Uint8Array | string;
  readonly mode?: number;
}

/**
 * Files that are of use together only: all of them lie written on the disk before the first gets its name.
 * @throws MirrorError `storage`
 */
export async function writeTogether(files: readonly NewFile[]): Promise<void> {
  const temporaries: { temporary: string; path: string }[] = [];
  let current = files[0]?.path ?? "";
  try {
    for (const { path, content, mode } of files) {
      current = path;
      const temporary = temporaryPath(path);
      temporaries.push({ temporary, path });
      await writeInFolder(temporary, content, mode ?? 0o644);
    }
    for (const { temporary, path } of temporaries) {
      current = path;
      await rename(temporary, path);
    }
  } catch (cause) {
    for (const { temporary } of temporaries) {
      await rm(temporary, { force: true, recursive: true }).catch(() => undefined);
    }
    throw new MirrorError("storage", `cannot write ${current}`, { cause });
  }
}

/** The folder is there but for the first time, so it is made only then. */
async function writeInFolder(path: string, content: Uint8Array | string, mode: number): Promise<void> {
  try {
    await writeSynced(path, content, mode);
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
    await mkdir(dirname(path), { recursive: true });
    await writeSynced(path, content, mode);
  }
}

async function writeSynced(path: string, content: Uint8Array | string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @returns whether the file had to be written */
export async function writeIfChanged(path: string, content: Uint8Array | string, mode?: number): Promise<boolean> {
  if (await holds(path, content)) return false;
  await writeAtomic(path, content, mode);
  return true;
}

/** Whether a file is there with this content. */
export async function holds(path: string, content: Uint8Array | string): Promise<boolean> {
  return (await readIfPresent(path))?.equals(Buffer.from(content)) === true;
}

/** undefined when there is no such file. @throws MirrorError `storage` when there is one that cannot be read */
export async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (hasErrno(cause, "ENOENT", "ENOTDIR")) return undefined;
    throw new MirrorError("storage", `cannot read ${path}`, { cause });
  }
}

/** The names in a folder, sorted, without hidden ones; none when there is no such folder. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => !name.startsWith(".")).sort();
  } catch (cause) {
    if (hasErrno(cause, "ENOENT", "ENOTDIR")) return [];
    throw new MirrorError("storage", `cannot list ${path}`, { cause });
  }
}

/** Removes what a killed writer left in a folder. Call it only while holding the writers' lock. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const leftovers = names.filter((name) => temporary.test(name));
  await Promise.all(leftovers.map((name) => rm(join(folder, name), { force: true, recursive: true })));
}
