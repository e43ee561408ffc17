/**
 * Where a place begins: a folder that somebody named, or that lies directly in another place. It alone may be a link, and
 * only to what already is what it is for.
 */
import { lstatSync, realpathSync, type Stats } from "node:fs";
import { MirrorError, hasErrno } from "../errors.ts";

export interface Root {
  /** Absolute. */
  readonly dir: string;
  /** What to give instead of a link, such as `--hex-dir`; undefined where there is no such option. */
  readonly option?: string;
  /** Where the root lies directly in another place, which is looked at first. */
  readonly within?: { readonly look: () => Stats | undefined } | undefined;
  /** Whether what lies there is believed: then the folder has to be this user's. */
  readonly isTrusted?: true;
  /** Whether the folder that a link leads to is what the root is for already; a link to any other is refused. */
  readonly isOne: (folder: string) => boolean;
  /** Whether a link that leads nowhere is as good as nothing: what it is to lead to is on the way. */
  readonly isAwaited?: boolean;
  /** What it should be, with its article: `a mirror`. */
  readonly noun: string;
}

// By real path and inode: what was found to be a mirror stays one, until another folder takes its place.
const accepted = new Set<string>();

/** Only a root may be a link, and only to what is one already. */
export function lookAtRoot({ within, ...root }: Root): Stats | undefined {
  if (within !== undefined && within.look()?.isDirectory() !== true) return undefined;
  const found = lstat(root.dir);
  if (found !== undefined && !found.isDirectory() && !found.isFile() && !found.isSymbolicLink()) {
    throw refuseSpecial(root.dir);
  }
  if (root.isTrusted && found !== undefined && isOthers(found)) {
    const why = "belongs to another user";
    throw barred(root.dir, why, `${root.dir} ${why}${orGive("give another folder", root)}`);
  }
  if (found?.isSymbolicLink() !== true) return found;
  let target: string;
  try {
    target = realpathSync(root.dir);
  } catch {
    if (root.isAwaited) return undefined;
    const what = `${root.dir} is a link that leads nowhere`;
    throw barred(root.dir, "is a link", what + orGive("give another folder", root));
  }
  const stat = lstatSync(target);
  const key = `${root.noun} ${target} ${stat.ino}`;
  if (stat.isDirectory() && (accepted.has(key) || root.isOne(target))) {
    accepted.add(key);
    return stat;
  }
  const what = `${root.dir} is a link to ${target}, which is not ${root.noun} yet, and is not made one through a link`;
  throw barred(root.dir, "is a link", what + orGive("give that folder itself", root));
}

/** Root may use what belongs to anybody. Windows knows no users by number. */
function isOthers({ uid }: Stats): boolean {
  const own = process.getuid?.() ?? uid;
  return own !== 0 && uid !== own;
}

export function refuseLink(path: string, root: Root): MirrorError {
  const what = `${path} is a link, and none is followed here; put what it leads to in its place`;
  return barred(path, "is a link", what + orGive("or keep the whole folder elsewhere", root, ", "));
}

export function refuseSpecial(path: string): MirrorError {
  const why = "is neither a file nor a folder";
  return barred(path, why, `${path} ${why}, and is not touched`);
}

/** What bars the way, and in what it is other than it should be; of an error that tells something else, undefined. */
export function barOf(error: unknown): { readonly path: string; readonly why: string } | undefined {
  const { path, why } = error instanceof MirrorError ? error.data : {};
  return typeof path === "string" && typeof why === "string" ? { path, why } : undefined;
}

function barred(path: string, why: string, message: string): MirrorError {
  return new MirrorError("storage", message, { data: { path, why } });
}

function orGive(what: string, { option }: Pick<Root, "option">, before = "; "): string {
  return option === undefined ? "" : `${before}${what} with ${option}`;
}

export function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    if (hasErrno(cause, "ENOTDIR", "ENAMETOOLONG")) return undefined;
    throw new MirrorError("storage", `cannot look at ${path}`, { cause });
  }
}
