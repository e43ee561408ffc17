/** Where damaged things go: out of clients' reach, and still there for whoever wants to look at them. */
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { hasErrno } from "../errors.ts";
import type { StorePaths } from "./paths.ts";

/** An older finding of the same name makes way. @returns where it lies now @throws a system error */
export async function moveToCorrupt(paths: StorePaths, path: string): Promise<string> {
  const target = join(paths.corruptDir, relative(paths.mirrorDir, path).replaceAll("..", "_"));
  await mkdir(dirname(target), { recursive: true });
  await rm(target, { recursive: true, force: true });
  await rename(path, target).catch(async (error: unknown) => {
    // `--hex-dir` and `--git-dir` may lie on another file system.
    if (!hasErrno(error, "EXDEV")) throw error;
    await cp(path, target, { recursive: true });
    await rm(path, { recursive: true });
  });
  return target;
}
