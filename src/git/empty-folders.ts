/**
 * A repository without `refs/` or `objects/` is "not a git repository" to git, and git itself drops empty folders when
 * the mirror is committed and checked out. A placeholder keeps them; this puts both back.
 */
import type { Place } from "../disk/place.ts";
import { MirrorError, hasErrno } from "../errors.ts";

const folders = ["refs/heads", "refs/tags", "objects/info", "objects/pack"];
const placeholders = ["refs/.gitkeep", "objects/info/.gitkeep"];

/**
 * Where there is a HEAD; what is damaged otherwise, or read-only, stays as it is.
 * @throws MirrorError `storage` naming what stands in the way
 */
export async function keepEmptyFolders(repository: Place): Promise<void> {
  if (!repository.at("HEAD").isFile()) return;
  // In a reftable repository this is a file, and its refs are no files.
  if (repository.at("refs/heads").isFile()) return;
  try {
    for (const folder of folders) repository.at(folder).makeFolder();
    for (const name of placeholders) {
      const file = repository.at(name);
      if (file.look() === undefined) await file.write("");
    }
  } catch (error) {
    const cause = error instanceof MirrorError ? error.cause : error;
    if (!hasErrno(cause, "EROFS", "EACCES", "EPERM")) throw error;
  }
}
