/**
 * A repository without `refs/` or `objects/` is "not a git repository" to git, and git itself drops empty folders when
 * the mirror is committed and checked out. A placeholder keeps them; this puts both back.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasErrno } from "../errors.ts";
import { isFile, isFolder } from "../files.ts";

const folders = ["refs/heads", "refs/tags", "objects/info", "objects/pack"];
const placeholders = ["refs/.gitkeep", "objects/info/.gitkeep"];

/** @returns whether the repository is whole; false where a folder is missing and the mirror is read-only */
export async function keepEmptyFolders(dir: string): Promise<boolean> {
  if (!(await isFile(join(dir, "HEAD")))) return false;
  try {
    for (const folder of folders) await mkdir(join(dir, folder), { recursive: true });
    for (const file of placeholders) await writeNew(join(dir, file));
    return true;
  } catch (error) {
    if (hasErrno(error, "EROFS", "EACCES", "EPERM")) return isFolder(join(dir, "refs"));
    throw error;
  }
}

async function writeNew(path: string): Promise<void> {
  await writeFile(path, "", { flag: "wx" }).catch((error: unknown) => {
    if (!hasErrno(error, "EEXIST")) throw error;
  });
}
