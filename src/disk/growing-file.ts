/**
 * A file that is written once and read by many, while it grows and afterwards. The writer is not slowed by its slowest
 * reader, and a slow reader costs no memory: what it has not read yet lies in the file. Readers who are about as far as
 * each other share what is read.
 */
import { fstatSync } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { LRUCache } from "lru-cache";

const chunkSize = 128 * 1024;
// Kept of a file while it grows: what was written last. Bytes.
const tailSize = 2 * 1024 * 1024;
// How often it is asked how much another process has written: at first, and where it writes nothing. Milliseconds.
const firstLook = 1;
const longestLook = 32;
// What was read last of all files together, 16 MiB: however many clients stand still, each in a file of its own.
const recent = new LRUCache<string, Promise<Buffer>>({ max: 128 });
let created = 0;

export interface Following {
  /** How far has it come? */
  readonly look: () => void;
  /** With all that is there by then; from then on it can be written to. */
  readonly stop: () => void;
}

export class GrowingFile {
  private readonly handle: FileHandle;
  private path: string;
  private size = 0;
  private diskError: unknown;
  private state: "growing" | "complete" | "failed" = "growing";
  private failure: Error | undefined;
  private readers = 0;
  private readonly id = created++;
  private readonly tail: { readonly start: number; readonly chunk: Buffer }[] = [];
  private readonly waiting = new Set<() => void>();
  private readonly onUnread: () => void;

  private constructor(handle: FileHandle, path: string, onUnread: () => void) {
    this.handle = handle;
    this.path = path;
    this.onUnread = onUnread;
  }

  /** @param onUnread called when the last reader has gone */
  static async create(path: string, onUnread: () => void): Promise<GrowingFile> {
    return new GrowingFile(await open(path, "wx+", 0o600), path, onUnread);
  }

  /** One that is complete already; it is closed when the last reader has gone. @throws a system error */
  static async open(path: string, onUnread: () => void): Promise<GrowingFile> {
    const handle = await open(path, "r");
    try {
      const file = new GrowingFile(handle, path, onUnread);
      file.size = (await handle.stat()).size;
      file.state = "complete";
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.size;
  }

  /** Readers need not wait for the disk: what was written last is in memory. @throws a system error */
  async write(chunk: Buffer): Promise<void> {
    const start = this.size;
    this.tail.push({ start, chunk });
    this.size += chunk.length;
    this.wake();
    await this.writeWhole(chunk, start);
    for (let [oldest] = this.tail; oldest !== undefined; [oldest] = this.tail) {
      if (this.size - oldest.start - oldest.chunk.length < tailSize) break;
      this.tail.shift();
    }
  }

  /** A disk that is nearly full takes a part and calls that success. */
  private async writeWhole(chunk: Buffer, start: number): Promise<void> {
    for (let done = 0; done < chunk.length;) {
      const { bytesWritten } = await this.handle.write(chunk, done, chunk.length - done, start + done);
      if (bytesWritten === 0) throw new Error("the disk is full");
      done += bytesWritten;
    }
  }

  /** For another process to write to, from the beginning; `follow` tells readers of it. */
  get descriptor(): number {
    return this.handle.fd;
  }

  /**
   * While another process writes to `descriptor`. It is asked again and again how far that has come, which no file system
   * forgets to tell, as they do news of changes.
   * @param onGrowth told each time that there is more
   */
  follow(onGrowth: () => void): Following {
    let pause = firstLook;
    const look = () => {
      const before = this.size;
      this.measure();
      pause = this.size > before ? firstLook : Math.min(pause * 2, longestLook);
      if (this.size > before) onGrowth();
    };
    const again = () => {
      look();
      timer = setTimeout(again, pause);
    };
    let timer = setTimeout(again, pause);
    const stop = () => {
      clearTimeout(timer);
      look();
    };
    return { look, stop };
  }

  private measure(): void {
    if (this.state !== "growing") return;
    try {
      const { size } = fstatSync(this.handle.fd);
      if (size === this.size) return;
      this.size = size;
      this.wake();
    } catch (error) {
      this.diskError = error;
    }
  }

  /** Readers may come to their end. @param target the name to keep the file under; undefined: it goes with its readers */
  async complete(target: string | undefined): Promise<void> {
    if (this.diskError !== undefined) throw this.diskError;
    this.state = "complete";
    this.tail.length = 0;
    this.wake();
    try {
      if (target === undefined) await rm(this.path, { force: true });
      else await this.keep(target);
    } finally {
      await this.closeIfUnused();
    }
  }

  private async keep(target: string): Promise<void> {
    try {
      await this.handle.sync();
      await rename(this.path, target);
      this.path = target;
    } catch (error) {
      await rm(this.path, { force: true });
      throw error;
    }
  }

  /** Readers see the error, after what they have read. */
  async fail(error: Error): Promise<void> {
    // Whole already: that it cannot be kept is nothing to its readers.
    if (this.state !== "growing") return;
    this.state = "failed";
    this.failure = error;
    this.tail.length = 0;
    this.wake();
    await rm(this.path, { force: true });
    await this.closeIfUnused();
  }

  /** From the beginning, whatever has been written so far. Not once the last reader has gone. */
  reader(): Readable {
    let position = 0;
    this.readers += 1;
    // Runs once for each time that the stream wants more; waits for the writer by being called again.
    const advance = (): void => {
      if (stream.destroyed) return;
      if (position < this.size) {
        const written = this.writtenLast(position);
        if (written !== undefined) give(written);
        else this.readShared(position).then(give, fail);
      } else if (this.state === "growing") {
        this.waiting.add(advance);
      } else if (this.state === "failed") {
        fail(this.failure);
      } else {
        stream.push(null);
      }
    };
    const give = (chunk: Buffer) => {
      position += chunk.length;
      stream.push(chunk);
    };
    const fail = (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error)));
    const stream = new Readable({
      highWaterMark: chunkSize,
      read: advance,
      destroy: (error, done) => {
        this.waiting.delete(advance);
        this.readers -= 1;
        if (this.readers === 0) this.onUnread();
        void this.closeIfUnused();
        done(error);
      },
    });
    return stream;
  }

  private writtenLast(position: number): Buffer | undefined {
    const found = this.tail.findLast(({ start }) => start <= position);
    return found?.chunk.subarray(position - found.start);
  }

  /** Who is late reads what others have just read: once for all of them, and one copy in memory. */
  private async readShared(position: number): Promise<Buffer> {
    const start = position - (position % chunkSize);
    const reading = recent.get(this.keyOf(start)) ?? this.readChunk(start);
    // The disk works while the network does.
    const next = start + chunkSize;
    if (this.state === "complete" && next < this.size && !recent.has(this.keyOf(next))) void this.readChunk(next);
    const chunk = await reading;
    return chunk.subarray(position - start);
  }

  private readChunk(start: number): Promise<Buffer> {
    const end = Math.min(start + chunkSize, this.tail[0]?.start ?? this.size);
    const reading = this.readRange(start, end);
    const key = this.keyOf(start);
    // Those who wait for it see its failure.
    reading.catch(() => recent.delete(key));
    if (end - start === chunkSize || this.state === "complete") recent.set(key, reading);
    return reading;
  }

  /** A file system may give less than it has. */
  private async readRange(start: number, end: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(end - start);
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.handle.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) throw new Error("the file is shorter than what was written to it");
      done += bytesRead;
    }
    return bytes;
  }

  private keyOf(start: number): string {
    return `${this.id} ${start}`;
  }

  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const wake of waiting) wake();
  }

  /** For one who has opened it and does not read it. */
  async closeIfUnused(): Promise<void> {
    if (this.readers > 0 || this.state === "growing") return;
    for (let start = 0; start < this.size; start += chunkSize) recent.delete(this.keyOf(start));
    await this.handle.close().catch(() => undefined);
  }
}
