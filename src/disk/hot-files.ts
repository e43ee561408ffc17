/**
 * Files that are asked for again and again, in bounded memory: bytes, and a digest of them. What another process writes,
 * replaces or removes is seen by the next look, since a file is what it was only while its size, times and inode are; a
 * file that changes while it is read is not taken. See docs/decisions/0012-files-from-memory.md
 *
 * Two changes within one tick of the file system's clock look like one. So for its first seconds here, a file is compared
 * with what lies there at each look.
 */
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { LRUCache } from "lru-cache";
import { MirrorError } from "../errors.ts";
import type { Place } from "./place.ts";
import { isUnchanged } from "./stamp.ts";
import { turn } from "./turn.ts";

export interface HotFile {
  readonly place: Place;
  readonly bytes: Buffer;
  /** SHA-256, the first 32 hex digits. */
  readonly digest: string;
  /** When it was written. */
  readonly modified: Date;
}

export interface HotFilesOptions {
  /** Larger files are not for memory. Bytes. */
  readonly maxFile: number;
  /** All that is kept. Bytes. */
  readonly maxTotal: number;
  /** All that is read just now, or still sent though it is not kept any more. Bytes. */
  readonly maxLoose: number;
  /** How long a file is compared with what lies there at each look. Milliseconds. */
  readonly settledAfter: number;
}

interface Kept extends HotFile {
  readonly stats: Stats;
  /** When it was seen first. Milliseconds, by a clock that nobody sets. */
  readonly since: number;
  isKept: boolean;
  readers: number;
  /** The turn in which it was looked at last. */
  lookedIn: number;
}

// Between attempts to read a file that changes, milliseconds.
const pauses = [1, 5, 20, 50];

export class HotFiles {
  private readonly files: LRUCache<string, Kept>;
  private readonly reading = new Map<string, ReturnType<HotFiles["load"]>>();
  private readonly options: HotFilesOptions;
  private loose = 0;

  constructor(options: HotFilesOptions) {
    this.options = options;
    this.files = new LRUCache({
      maxSize: options.maxTotal,
      // An empty file takes room, too.
      sizeCalculation: ({ bytes }) => bytes.length + 1024,
      dispose: (file) => {
        file.isKept = false;
        if (file.readers > 0) this.loose += file.bytes.length;
      },
    });
  }

  /** What lies there, if it is in memory. @param path of its place */
  recall(path: string): HotFile | undefined {
    const file = this.files.get(path);
    if (file === undefined || isAsItWas(file, this.options.settledAfter)) return file;
    this.files.delete(path);
    return undefined;
  }

  /**
   * The same, read into memory where need be; undefined when it is not for memory: there is no such file, it is too large,
   * or there is no room. @throws MirrorError `busy` when it goes on changing
   */
  async open(place: Place): Promise<HotFile | undefined> {
    for (const pause of pauses) {
      const known = this.recall(place.path);
      if (known !== undefined) return known;
      if ((await this.read(place)) === "not for memory") return undefined;
      const file = this.recall(place.path);
      if (file !== undefined) return file;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    throw new MirrorError("busy", `${place.name} is being written; ask again`);
  }

  /** Counts its bytes for as long as they are sent. @returns what tells that they are */
  lend(file: HotFile): () => void {
    const kept = file as Kept;
    if (kept.readers === 0 && !kept.isKept) this.loose += kept.bytes.length;
    kept.readers += 1;
    return () => {
      kept.readers -= 1;
      if (kept.readers === 0 && !kept.isKept) this.loose -= kept.bytes.length;
    };
  }

  /** One reading for all who ask meanwhile. */
  private async read(place: Place): Promise<"read" | "changed meanwhile" | "not for memory"> {
    const { path } = place;
    let reading = this.reading.get(path);
    if (reading === undefined) {
      reading = this.load(place).finally(() => this.reading.delete(path));
      this.reading.set(path, reading);
    }
    return reading;
  }

  private async load(place: Place): Promise<"read" | "changed meanwhile" | "not for memory"> {
    const stats = look(place);
    if (stats === undefined || stats.size > this.options.maxFile) return "not for memory";
    if (this.loose + stats.size > this.options.maxLoose) return "not for memory";
    this.loose += stats.size;
    try {
      const since = performance.now();
      const bytes = await place.read();
      const after = look(place);
      if (bytes?.length !== stats.size || after === undefined || !isUnchanged(stats, after)) return "changed meanwhile";
      const digest = digestOf(bytes);
      const modified = stats.mtime;
      const file = { place, bytes, digest, modified, stats, since, isKept: true, readers: 0, lookedIn: -1 };
      this.files.set(place.path, file);
      return "read";
    } finally {
      this.loose -= stats.size;
    }
  }
}

/** SHA-256, the first 32 hex digits. */
export function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}

function isAsItWas(file: Kept, settledAfter: number): boolean {
  const thisTurn = turn();
  if (file.lookedIn === thisTurn) return true;
  const found = look(file.place);
  if (found === undefined || !isUnchanged(file.stats, found)) return false;
  if (performance.now() - file.since < settledAfter && !isSameContent(file)) return false;
  file.lookedIn = thisTurn;
  return true;
}

function isSameContent({ place, bytes }: Kept): boolean {
  try {
    return place.readNow().equals(bytes);
  } catch {
    return false;
  }
}

/** undefined for whatever is no file, or not to be followed. */
function look(place: Place): Stats | undefined {
  try {
    const found = place.look();
    return found?.isFile() === true ? found : undefined;
  } catch {
    return undefined;
  }
}
