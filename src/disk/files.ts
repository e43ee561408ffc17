/**
 * Files that are somebody else's, and only read: keys, certificates, tokens, the user's own settings. They may be links,
 * as Kubernetes and Docker mount them; what we write goes through a place and never through one.
 */
import { constants, readFileSync, statSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { MirrorError, hasErrno } from "../errors.ts";

// Bundles of authorities are the largest. Bytes.
const maxSize = 16 * 1024 * 1024;

/** undefined when there is no such file. @throws MirrorError `storage` when there is one that cannot be read */
export async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegular(path);
  } catch (cause) {
    if (hasErrno(cause, "ENOENT", "ENOTDIR")) return undefined;
    throw new MirrorError("storage", `cannot read ${path}`, { cause });
  }
}

/** @throws a system error */
export async function readText(path: string): Promise<string> {
  return (await readRegular(path)).toString("utf8");
}

/** Nothing that never ends, such as a pipe that nobody writes to, or a device. */
async function readRegular(path: string): Promise<Buffer> {
  const { O_RDONLY, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | (O_NONBLOCK ?? 0));
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error("it is no regular file");
    if (found.size > maxSize) throw new Error(`it has more than ${maxSize} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** @throws a system error */
export function readTextSync(path: string): string {
  return readFileSync(path, "utf8");
}

/** Is it there? A path that cannot be looked at counts as not there. */
export function exists(path: string): boolean {
  return look(path) !== undefined;
}

export function isFile(path: string): boolean {
  return look(path)?.isFile() === true;
}

export function isFolder(path: string): boolean {
  return look(path)?.isDirectory() === true;
}

/** Milliseconds since 1970; 0 for what is not there. */
export function modifiedAt(path: string): number {
  return look(path)?.mtimeMs ?? 0;
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
