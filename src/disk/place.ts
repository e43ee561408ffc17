/**
 * A place on the disk that is ours: a root (the mirror, `--hex-dir`, `--git-dir`, certs, the cache), or something below
 * one. Every write, delete and listing, and every path that git or the server is given, goes through a place, which looks
 * at each part of the way anew: below a root there are folders and regular files, and nothing else. A link is refused by
 * its name, wherever it leads, so that a folder that came with a clone, a cache or a stick cannot lead us out of it.
 *
 * Files appear whole or not at all: written beside their target under a temporary name, synced, renamed. One whose
 * content is already right is left alone, mtime included. See docs/decisions/0010-places.md
 *
 * Looking is synchronous on purpose: `lstat` of a few parts takes microseconds, a trip to the thread pool for each many.
 */
import { closeSync, constants, openSync, readFileSync, realpathSync, type Stats } from "node:fs";
import {
  chmod,
  copyFile,
  cp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  readlink,
  symlink,
  unlink,
  utimes,
  type FileHandle,
} from "node:fs/promises";
import { join, sep } from "node:path";
import { MirrorError, hasErrno } from "../errors.ts";
import { makeFolders } from "./make-folder.ts";
import { lookAtRoot, lstat, refuseLink, refuseSpecial, type Root } from "./root.ts";
import { isLeftover, isTemporary, temporaryName } from "./temporary.ts";

export interface Entry {
  readonly name: string;
  readonly kind: "file" | "folder" | "other";
}

export interface NewFile {
  readonly place: Place;
  readonly content: Uint8Array | string;
  readonly mode?: number;
}

// Not known on Windows.
const noFollow = (constants as Partial<typeof constants>).O_NOFOLLOW ?? 0;

// By path: once in each process, since reading a folder of thousands for each file that is written there costs too much.
const swept = new Set<string>();

export class Place {
  private readonly root: Root;
  private readonly segments: readonly string[];
  /** As it was configured: for people, and for telling places apart. Reading or writing by it is for this room alone. */
  readonly path: string;

  private constructor(root: Root, segments: readonly string[], path: string) {
    this.root = root;
    this.segments = segments;
    this.path = path;
  }

  static root(root: Root): Place {
    return new Place(root, [], join(root.dir));
  }

  /** @param path below this place, with `/` between its parts; checked where it was read, and once more here */
  at(path: string): Place {
    const parts = path.split("/");
    const isPlain = (part: string) => !["", ".", ".."].includes(part) && !part.includes("\0") && !part.includes(sep);
    if (!parts.every(isPlain)) throw new MirrorError("refused", `${JSON.stringify(path)} is no path below a folder`);
    return new Place(this.root, [...this.segments, ...parts], pathBelow(this.path, parts));
  }

  /** Below its root, with `/`; empty for the root itself. */
  get below(): string {
    return this.segments.join("/");
  }

  /** Which option says where its root is. */
  get option(): string | undefined {
    return this.root.option;
  }

  get name(): string {
    return this.segments.at(-1) ?? "";
  }

  get parent(): Place | undefined {
    return this.segments.length === 0 ? undefined : this.beside();
  }

  /** Both are the same place, or the other lies below this one. */
  holds(other: Place): boolean {
    return other.path === this.path || other.path.startsWith(this.path + sep);
  }

  /** undefined when it is not there. @throws MirrorError `storage` naming what is no file or folder on the way to it */
  look(): Stats | undefined {
    return this.lookAt(this.segments.length);
  }

  /** For who looks at thousands below this folder, by their names: the way to it is looked at once. @throws likewise, each time */
  lookInside(): (name: string) => Stats | undefined {
    let isFolder = false;
    return (name) => {
      // It may be made meanwhile.
      isFolder ||= this.look()?.isDirectory() === true;
      return isFolder ? this.plain(pathBelow(this.path, [name])) : undefined;
    };
  }

  /** Not there, too, where a link stands in the way: what would follow it names it. */
  isFile(): boolean {
    return this.lookQuietly()?.isFile() === true;
  }

  isFolder(): boolean {
    return this.lookQuietly()?.isDirectory() === true;
  }

  /**
   * The path, for whoever has to be told one: git, a stream, the server. Good for at once, not for keeping.
   * @throws MirrorError `storage` when it is not there, or a link leads there
   */
  verifiedPath(): string {
    if (this.look() === undefined) throw new MirrorError("storage", `${this.path} is not there`);
    return this.path;
  }

  /** The same with the links above the root resolved, as git compares folders. @throws likewise */
  realPath(): string {
    return realpathSync(this.verifiedPath());
  }

  /** undefined when there is no such file. @throws MirrorError `storage` when there is one that cannot be read */
  async read(): Promise<Buffer | undefined> {
    if (this.look() === undefined) return undefined;
    try {
      return await readFile(this.path, { flag: constants.O_RDONLY | noFollow });
    } catch (cause) {
      if (hasErrno(cause, "ENOENT", "ENOTDIR")) return undefined;
      throw new MirrorError("storage", `cannot read ${this.path}`, { cause });
    }
  }

  /** At once, for a small file that was looked at just now. @throws a system error */
  readNow(): Buffer {
    const file = openSync(this.path, constants.O_RDONLY | noFollow);
    try {
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** Whether a file is there with this content. */
  async contains(content: Uint8Array | string): Promise<boolean> {
    return (await this.read())?.equals(Buffer.from(content)) === true;
  }

  /** @throws MirrorError `storage` */
  async write(content: Uint8Array | string, mode = 0o644): Promise<void> {
    await writeTogether([{ place: this, content, mode }]);
  }

  /** @returns whether the file had to be written */
  async writeIfChanged(content: Uint8Array | string, mode?: number): Promise<boolean> {
    if (await this.contains(content)) return false;
    await this.write(content, mode);
    return true;
  }

  /**
   * Writes what is to become this file beside it, under a name that tells whose it is: `moveTo` then takes an instant.
   * @param isSynced whether the disk has it before it gets its name; without, a power cut may leave less of it, which will
   * do for what is hashed before it is trusted @throws MirrorError `storage`
   */
  async stage(content: Uint8Array | string, { isSynced = false } = {}): Promise<Place> {
    refuseFolder(this);
    const temporary = this.temporary();
    try {
      await writeInFolder(temporary, content, { mode: 0o644, isSynced });
      return temporary;
    } catch (cause) {
      await temporary.remove().catch(() => undefined);
      throw new MirrorError("storage", `cannot write ${this.path}`, { cause });
    }
  }

  /** A file that is written as it arrives; what is there is written over. @throws MirrorError, a system error */
  async openForWriting(mode = 0o644): Promise<FileHandle> {
    this.look();
    const { O_WRONLY, O_CREAT, O_TRUNC } = constants;
    return open(this.path, O_WRONLY | O_CREAT | O_TRUNC | noFollow, mode);
  }

  /** A file that stays the one it is while it is read, whatever takes its place. @throws MirrorError `storage`, a system error */
  async openForReading(): Promise<FileHandle> {
    return open(this.verifiedPath(), constants.O_RDONLY | noFollow);
  }

  /** As used just now. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(this.verifiedPath(), now, now);
  }

  /** The one link that we make: in our own cache, to the user's. Nothing that goes through a place follows it. */
  async linkTo(target: string): Promise<void> {
    const found = lstat(this.path);
    // A link that leads elsewhere by now holds nothing; what else is here stays.
    if (found?.isSymbolicLink() === true && (await readlink(this.path)) !== target) await unlink(this.path);
    else if (found !== undefined) return;
    await symlink(target, this.path);
  }

  /** Lets a link that somebody made lead elsewhere, in one step: whoever follows it sees the one or the other. */
  async replaceLink(target: string): Promise<void> {
    const fresh = this.temporary();
    await symlink(target, fresh.path);
    await rename(fresh.path, this.path);
  }

  async setMode(mode: number): Promise<void> {
    await chmod(this.verifiedPath(), mode);
  }

  /** What lies in a folder, sorted, without hidden names; nothing when there is no such folder. */
  async entries(): Promise<Entry[]> {
    return (await this.allEntries()).filter(({ name }) => !name.startsWith("."));
  }

  /** The same with hidden names. @throws MirrorError `storage` */
  async allEntries(): Promise<Entry[]> {
    if (this.look() === undefined) return [];
    try {
      const entries = await readdir(this.path, { withFileTypes: true });
      const found = entries.map((entry): Entry => {
        const kind = entry.isFile() ? "file" : entry.isDirectory() ? "folder" : "other";
        return { name: entry.name, kind };
      });
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (cause) {
      if (hasErrno(cause, "ENOENT", "ENOTDIR")) return [];
      throw new MirrorError("storage", `cannot list ${this.path}`, { cause });
    }
  }

  /** The names of its regular files, or of its folders. A link is neither. */
  async list(kind: "file" | "folder"): Promise<string[]> {
    return (await this.entries()).filter((entry) => entry.kind === kind).map(({ name }) => name);
  }

  /** With the folders on the way to it. @throws MirrorError `storage` */
  makeFolder(mode = 0o777): void {
    if (this.look() === undefined) makeFolders(this.path, mode);
  }

  /**
   * A file, or a folder with all that is in it, at once: half of a folder is nothing that others know how to read. A link goes,
   * and what it leads to stays.
   */
  async remove(): Promise<void> {
    if (this.parent?.look() === undefined) return;
    if (lstat(this.path)?.isDirectory() !== true) return unlink(this.path).catch(ignoreMissing);
    const aside = this.segments.length === 0 || isTemporary(this.name) ? this : this.temporary();
    // Where it cannot be renamed, such as a mount, it is emptied as it stands.
    const isAside = aside !== this && (await rename(this.path, aside.path).then(always, never));
    await rm(isAside ? aside.path : this.path, { recursive: true, force: true });
  }

  /** @returns whether it is gone */
  async removeIfEmpty(): Promise<boolean> {
    if (this.look() === undefined) return true;
    return rmdir(this.path).then(
      () => true,
      () => false,
    );
  }

  /**
   * Whatever it is, a link too, to another name, on another file system too; a folder there must make way first.
   * @throws MirrorError `storage`, a system error
   */
  async moveTo(target: Place): Promise<void> {
    this.parent?.look();
    target.parent?.makeFolder();
    target.parent?.look();
    await rename(this.path, target.path).catch(async (error: unknown) => {
      if (!hasErrno(error, "EXDEV")) throw error;
      const copy = target.temporary();
      try {
        await cp(this.path, copy.path, { recursive: true, verbatimSymlinks: true, filter: isCopied });
        await rename(copy.path, target.path);
      } finally {
        await copy.remove();
      }
      await this.remove();
    });
  }

  /** Its content under another place too; where the file system can, without taking room for it. @throws likewise */
  async copyTo(target: Place): Promise<void> {
    const from = this.verifiedPath();
    target.parent?.makeFolder();
    const copy = target.temporary();
    try {
      await copyFile(from, copy.path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      await copy.moveTo(target);
    } finally {
      await copy.remove();
    }
  }

  /** A name beside it, for what will become it; what killed writers left there goes when the first is asked for. */
  temporary(): Place {
    const folder = this.beside();
    if (!swept.has(folder.path)) {
      swept.add(folder.path);
      // Whoever writes has come for something else.
      void folder.removeLeftovers().catch(() => undefined);
    }
    return this.beside(temporaryName(this.name));
  }

  /** Removes from this folder what killed writers left; what somebody is just writing stays. */
  async removeLeftovers(): Promise<void> {
    for (const { name, kind } of await this.allEntries()) {
      const found = this.at(name);
      if (kind !== "other" && isLeftover(name, found.lookQuietly()?.mtimeMs ?? 0)) await found.remove();
    }
  }

  /** What lies in the folder that it lies in, or that folder. */
  private beside(...names: readonly string[]): Place {
    const segments = [...this.segments.slice(0, -1), ...names];
    return new Place(this.root, segments, pathBelow(join(this.root.dir), segments));
  }

  private lookQuietly(): Stats | undefined {
    try {
      return this.look();
    } catch {
      return undefined;
    }
  }

  /** @param depth how many of the segments to go */
  private lookAt(depth: number): Stats | undefined {
    let found = lookAtRoot(this.root);
    let path = this.root.dir;
    for (const segment of this.segments.slice(0, depth)) {
      if (found?.isDirectory() !== true) return undefined;
      path = pathBelow(path, [segment]);
      found = this.plain(path);
    }
    return found;
  }

  /** @throws MirrorError `storage` */
  private plain(path: string): Stats | undefined {
    const found = lstat(path);
    if (found?.isSymbolicLink() === true) throw refuseLink(path, this.root);
    if (found !== undefined && !found.isFile() && !found.isDirectory()) throw refuseSpecial(path);
    return found;
  }
}

/** @param parts plain names */
function pathBelow(path: string, parts: readonly string[]): string {
  return parts.length === 0 ? path : `${path.endsWith(sep) ? path : path + sep}${parts.join(sep)}`;
}

/**
 * Files that are of use together only: all of them lie written on the disk before the first gets its name.
 * @throws MirrorError `storage`
 */
export async function writeTogether(files: readonly NewFile[]): Promise<void> {
  const temporaries: { temporary: Place; place: Place }[] = [];
  let current = files[0]?.place.path ?? "";
  try {
    for (const { place, content, mode } of files) {
      current = place.path;
      refuseFolder(place);
      const temporary = place.temporary();
      temporaries.push({ temporary, place });
      await writeInFolder(temporary, content, { mode: mode ?? 0o644, isSynced: true });
    }
    for (const { temporary, place } of temporaries) {
      current = place.path;
      await rename(temporary.path, place.path);
    }
  } catch (cause) {
    for (const { temporary } of temporaries) await temporary.remove().catch(() => undefined);
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError("storage", `cannot write ${current}`, { cause });
  }
}

/** Neither the folder nor what is replaced may be a link; a folder in its place stays, too. @throws MirrorError */
function refuseFolder(place: Place): void {
  if (place.look()?.isDirectory() === true) {
    throw new MirrorError("storage", `cannot write ${place.path}: a folder stands there`);
  }
}

interface Writing {
  readonly mode: number;
  /** Whether the disk has to have it before it gets its name. */
  readonly isSynced: boolean;
}

/** The folder is there but for the first time, so it is made only then. */
async function writeInFolder(temporary: Place, content: Uint8Array | string, writing: Writing): Promise<void> {
  try {
    await writeFile(temporary.path, content, writing);
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
    temporary.parent?.makeFolder();
    await writeFile(temporary.path, content, writing);
  }
}

async function writeFile(path: string, content: Uint8Array | string, { mode, isSynced }: Writing): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(content);
    if (isSynced) await file.sync();
  } finally {
    await file.close();
  }
}

/** Pipes, sockets and devices stay behind, and go with the rest. */
function isCopied(path: string): boolean {
  const found = lstat(path);
  return found?.isFile() === true || found?.isDirectory() === true || found?.isSymbolicLink() === true;
}

const always = () => true;
const never = () => false;

function ignoreMissing(error: unknown): void {
  if (!hasErrno(error, "ENOENT")) throw error;
}
