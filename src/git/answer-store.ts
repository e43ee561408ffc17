/**
 * Git's answers on disk, by key, bounded in size: least recently used out first. Lies in the cache folder, never in the
 * mirror. Several servers may share it: an answer appears by rename, and one that another server took away is a miss.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { LRUCache } from "lru-cache";
import { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";

export interface StoredAnswer {
  readonly stream: Readable;
  /** Bytes. */
  readonly size: number;
}

// What we write, and nothing else that lies there: least of all is that removed.
const keyShape = /^[0-9a-f]{64}$/;

export class AnswerStore {
  private readonly folder: Place;
  private readonly index: LRUCache<string, number>;
  private readonly reading = new Map<string, GrowingFile>();

  private constructor(folder: Place, maxBytes: number) {
    this.folder = folder;
    this.index = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (size) => Math.max(1, size),
      dispose: (_, key, reason) => {
        if (reason === "evict")
          void this.folder
            .at(key)
            .remove()
            .catch(() => undefined);
      },
    });
  }

  /** Takes over what is there, oldest first. @throws MirrorError `storage` when the folder cannot be made or listed */
  static async open(folder: Place, maxBytes: number): Promise<AnswerStore> {
    folder.makeFolder(0o700);
    const store = new AnswerStore(folder, maxBytes);
    const found: { key: string; size: number; used: number }[] = [];
    await folder.removeLeftovers();
    for (const key of (await folder.list("file")).filter((name) => keyShape.test(name))) {
      const entry = folder.at(key).look();
      if (entry !== undefined) found.push({ key, size: entry.size, used: entry.mtimeMs });
    }
    for (const { key, size } of found.sort((a, b) => a.used - b.used)) {
      // Kept under a larger limit: the index would refuse it, and then nobody would ever remove it.
      if (store.accepts(size)) store.index.set(key, size);
      else await folder.at(key).remove();
    }
    return store;
  }

  /** A name for an answer: `state` and `request` hold everything that it depends on. */
  static keyOf(dir: string, state: string, request: string): string {
    return createHash("sha256").update(`${dir}\0${state}\0${request}`).digest("hex");
  }

  async find(key: string): Promise<StoredAnswer | undefined> {
    const file = this.folder.at(key);
    const known = this.reading.get(key);
    const answer = file.isFile() ? (readerOf(known) ?? (await this.open(key, file.path))) : undefined;
    if (answer === undefined) {
      this.index.delete(key);
      return undefined;
    }
    this.index.set(key, answer.size);
    // The order of use outlives this process by the files' times; losing one costs little.
    void file.touch().catch(() => undefined);
    return answer;
  }

  /** Opened once for all who read it meanwhile. @returns undefined when another server has just taken it away */
  private async open(key: string, path: string): Promise<StoredAnswer | undefined> {
    const opened = await GrowingFile.open(path, () => this.reading.delete(key)).catch(() => undefined);
    const first = this.reading.get(key);
    if (first !== undefined) void opened?.closeIfUnused();
    else if (opened !== undefined) this.reading.set(key, opened);
    return readerOf(first ?? opened);
  }

  /** A file for an answer that is being made. @param onUnread called when its last reader has gone */
  async create(onUnread: () => void): Promise<GrowingFile> {
    // Somebody may have cleaned up the caches of this machine.
    this.folder.makeFolder(0o700);
    return GrowingFile.create(this.folder.at("answer").temporary().path, onUnread);
  }

  pathOf(key: string): string {
    return join(this.folder.path, key);
  }

  /** An answer of that size may be kept: it fits, with room for others. */
  accepts(size: number): boolean {
    return size <= (this.index.maxSize ?? 0) / 2;
  }

  added(key: string, size: number): void {
    this.index.set(key, size);
  }
}

function readerOf(file: GrowingFile | undefined): StoredAnswer | undefined {
  return file === undefined ? undefined : { stream: file.reader(), size: file.bytes };
}
