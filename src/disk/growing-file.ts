/**
 * A file that is written once and read by many while it grows. The writer is not slowed by its slowest reader, and a
 * slow reader costs no memory: what it has not read yet lies in the file.
 */
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";

const chunkSize = 128 * 1024;

export class GrowingFile {
  private readonly handle: FileHandle;
  private path: string;
  private size = 0;
  private state: "growing" | "complete" | "failed" = "growing";
  private failure: Error | undefined;
  private readers = 0;
  private readonly waiting = new Set<(chunk?: Buffer) => void>();
  private readonly onAbandoned: () => void;

  private constructor(handle: FileHandle, path: string, onAbandoned: () => void) {
    this.handle = handle;
    this.path = path;
    this.onAbandoned = onAbandoned;
  }

  /** @param onAbandoned called when the last reader has gone before the file was complete */
  static async create(path: string, onAbandoned: () => void): Promise<GrowingFile> {
    return new GrowingFile(await open(path, "wx+", 0o600), path, onAbandoned);
  }

  get bytes(): number {
    return this.size;
  }

  /** Readers who wait for it get the chunk at once; the others will find it in the file. */
  async write(chunk: Buffer): Promise<void> {
    const waiting = [...this.waiting];
    this.waiting.clear();
    const written = this.writeWhole(chunk);
    for (const reader of waiting) reader(chunk);
    await written;
    this.size += chunk.length;
    this.wake();
  }

  /** A disk that is nearly full takes a part and calls that success. */
  private async writeWhole(chunk: Buffer): Promise<void> {
    for (let done = 0; done < chunk.length;) {
      const { bytesWritten } = await this.handle.write(chunk, done, chunk.length - done, this.size + done);
      if (bytesWritten === 0) throw new Error("the disk is full");
      done += bytesWritten;
    }
  }

  /** Readers may come to their end. @param target the name to keep the file under; undefined: it goes with its readers */
  async complete(target: string | undefined): Promise<void> {
    this.state = "complete";
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
    this.wake();
    await rm(this.path, { force: true });
    await this.closeIfUnused();
  }

  /** From the beginning, whatever has been written so far. Call it before the file is complete. */
  reader(): Readable {
    let position = 0;
    this.readers += 1;
    // Runs once for each time that the stream wants more; waits for the writer by being called again.
    const advance = (chunk?: Buffer): void => {
      if (stream.destroyed) return;
      if (chunk !== undefined) {
        position += chunk.length;
        stream.push(chunk);
        return;
      }
      if (position >= this.size && this.state === "growing") {
        this.waiting.add(advance);
        return;
      }
      this.readAt(position).then(
        (bytes) => {
          position += bytes?.length ?? 0;
          stream.push(bytes);
        },
        (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    };
    const stream = new Readable({
      highWaterMark: chunkSize,
      read: () => advance(),
      destroy: (error, done) => {
        this.waiting.delete(advance);
        this.readers -= 1;
        if (this.readers === 0 && this.state === "growing") this.onAbandoned();
        void this.closeIfUnused();
        done(error);
      },
    });
    return stream;
  }

  /** The next bytes; null at the end. */
  private async readAt(position: number): Promise<Buffer | null> {
    if (position < this.size) {
      const length = Math.min(chunkSize, this.size - position);
      const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(length), 0, length, position);
      if (bytesRead === 0) throw new Error("the file is shorter than what was written to it");
      return buffer.subarray(0, bytesRead);
    }
    if (this.state === "failed") throw this.failure ?? new Error("the file could not be written");
    return null;
  }

  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const wake of waiting) wake();
  }

  private async closeIfUnused(): Promise<void> {
    if (this.readers === 0 && this.state !== "growing") await this.handle.close().catch(() => undefined);
  }
}
