/**
 * Git's answers on disk, by key, bounded in size: least recently used out first. Lies in the cache folder, never in the
 * mirror. Several servers may share it: an answer appears by rename, and one that another server took away is a miss.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { LRUCache } from "lru-cache";
import { hasErrno } from "../errors.ts";
import { GrowingFile } from "./growing-file.ts";

export interface StoredAnswer {
  readonly stream: Readable;
  /** Bytes. */
  readonly size: number;
}

const temporary = /\.tmp$/;
// What a crash left is removed; what another server is writing just now is younger.
const abandonedAfter = 60 * 60 * 1000;

export class AnswerStore {
  private readonly dir: string;
  private readonly index: LRUCache<string, number>;

  private constructor(dir: string, maxBytes: number) {
    this.dir = dir;
    this.index = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (size) => Math.max(1, size),
      dispose: (_, key, reason) => {
        if (reason === "evict") void rm(this.pathOf(key), { force: true }).catch(() => undefined);
      },
    });
  }

  /** Takes over what is there, oldest first. @throws a system error when the folder cannot be made or listed */
  static async open(dir: string, maxBytes: number): Promise<AnswerStore> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const store = new AnswerStore(dir, maxBytes);
    const found: { key: string; size: number; used: number }[] = [];
    for (const name of await readdir(dir)) {
      const entry = await stat(join(dir, name)).catch(() => undefined);
      if (entry === undefined || !entry.isFile()) continue;
      if (!temporary.test(name)) found.push({ key: name, size: entry.size, used: entry.mtimeMs });
      else if (Date.now() - entry.mtimeMs > abandonedAfter) await rm(join(dir, name), { force: true });
    }
    for (const { key, size } of found.sort((a, b) => a.used - b.used)) {
      // Kept under a larger limit: the index would refuse it, and then nobody would ever remove it.
      if (store.accepts(size)) store.index.set(key, size);
      else await rm(join(dir, key), { force: true });
    }
    return store;
  }

  /** A name for an answer: `state` and `request` hold everything that it depends on. */
  static keyOf(dir: string, state: string, request: string): string {
    return createHash("sha256").update(`${dir}\0${state}\0${request}`).digest("hex");
  }

  async find(key: string): Promise<StoredAnswer | undefined> {
    const path = this.pathOf(key);
    const file = await open(path, "r").catch(() => undefined);
    if (file === undefined) {
      this.index.delete(key);
      return undefined;
    }
    const { size } = await file.stat();
    this.index.set(key, size);
    // The order of use outlives this process by the files' times; losing one costs little.
    const now = new Date();
    void utimes(path, now, now).catch(() => undefined);
    return { stream: file.createReadStream({ highWaterMark: 128 * 1024 }), size };
  }

  /** A file for an answer that is being made. @param onAbandoned called when its last reader goes before its end */
  async create(onAbandoned: () => void): Promise<GrowingFile> {
    const path = join(this.dir, `${randomBytes(16).toString("hex")}.tmp`);
    return GrowingFile.create(path, onAbandoned).catch(async (error: unknown) => {
      if (!hasErrno(error, "ENOENT")) throw error;
      // Somebody has cleaned up the caches of this machine.
      await mkdir(this.dir, { recursive: true, mode: 0o700 });
      return GrowingFile.create(path, onAbandoned);
    });
  }

  pathOf(key: string): string {
    return join(this.dir, key);
  }

  /** An answer of that size may be kept: it fits, with room for others. */
  accepts(size: number): boolean {
    return size <= (this.index.maxSize ?? 0) / 2;
  }

  added(key: string, size: number): void {
    this.index.set(key, size);
  }
}
