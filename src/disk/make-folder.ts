/** Folders one after another: Node's own recursive mkdir spins for ever below /proc. */
import { lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { MirrorError, hasErrno } from "../errors.ts";
import { lstat } from "./root.ts";

/** @throws MirrorError `storage` */
export function makeFolders(folder: string, mode: number): void {
  const missing: string[] = [];
  let path = folder;
  for (; lstat(path) === undefined; path = dirname(path)) missing.unshift(path);
  if (lstat(path)?.isFile() === true) {
    throw new MirrorError("storage", `${path} is a file, where a folder should be`);
  }
  try {
    for (const each of missing) makeOne(each, mode);
  } catch (cause) {
    throw new MirrorError("storage", `cannot make the folder ${folder}`, { cause });
  }
}

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else has just made it.
    if (!hasErrno(error, "EEXIST") || lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
