/**
 * Does git keep a file? A key that was committed is known to everybody who has the repository. Only the index is read, by
 * a git of ours in an empty repository: nothing that a foreign repository says is acted upon.
 */
import { realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { isFile, isFolder, readIfPresent } from "../disk/files.ts";
import type { GitEnvironments } from "./environment.ts";
import { BareRepository } from "./bare-repository.ts";
import { tryGit } from "./run.ts";

/**
 * @param path of a file, which may be a link @param environments asked for only where there is a repository around it
 * @returns false, too, for what cannot be told
 */
export async function isTracked(path: string, environments: () => Promise<GitEnvironments>): Promise<boolean> {
  const places = new Set([inRealFolder(path), orSame(path, () => realpathSync(path))]);
  for (const place of places) {
    const found = await indexAbove(place).catch(() => undefined);
    if (found === undefined || !isFile(found.index)) continue;
    const own = await environments().catch(() => undefined);
    if (own !== undefined && (await isIn(found.index, relative(found.top, place), own))) return true;
  }
  return false;
}

function inRealFolder(path: string): string {
  return orSame(path, () => join(realpathSync(dirname(path)), basename(path)));
}

function orSame(path: string, find: () => string): string {
  try {
    return find();
  } catch {
    return path;
  }
}

/** Of the nearest repository above. */
async function indexAbove(path: string): Promise<{ top: string; index: string } | undefined> {
  for (let top = dirname(path); ; top = dirname(top)) {
    const git = join(top, ".git");
    // An empty one is none to git either.
    if (isFolder(git) && isFile(join(git, "HEAD"))) return { top, index: join(git, "index") };
    if (isFile(git)) {
      // A work tree of a repository elsewhere, or a submodule.
      const text = (await readIfPresent(git))?.toString("utf8") ?? "";
      const [, folder] = /^gitdir: (.+)$/m.exec(text) ?? [];
      return folder === undefined ? undefined : { top, index: join(resolve(top, folder), "index") };
    }
    if (top === dirname(top)) return undefined;
  }
}

/** Read as either kind of index, since one does not tell which it is; as the other kind it names nothing. */
async function isIn(index: string, path: string, environments: GitEnvironments): Promise<boolean> {
  const empty = environments.scratchPlace();
  try {
    for (const format of ["sha1", "sha256"] as const) {
      await BareRepository.create(empty, format, { environments });
      const { env, cwd } = environments.ownIn(empty.realPath());
      const variables = { ...env, GIT_INDEX_FILE: index, GIT_LITERAL_PATHSPECS: "1" };
      const args = ["ls-files", "-z", "--cached", "--", path.split(sep).join("/")];
      const { code, stdout } = await tryGit(args, { env: variables, cwd, idleSeconds: 60 });
      await empty.remove();
      if (code === 0 && stdout.length > 0) return true;
    }
    return false;
  } finally {
    await empty.remove();
  }
}
