/**
 * What has arrived of one thing so far, from one try to the next. A broken transfer is continued by range where upstream
 * gives a validator that tells whether the rest fits; else, and where it does not fit, it begins again.
 */
import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { MirrorError } from "../errors.ts";

type Headers = Readonly<Record<string, string | undefined>>;

/** Where the bytes go. */
export interface Sink {
  readonly write: (chunk: Buffer) => Promise<void> | void;
  /** Forgets what was written. */
  readonly restart: () => Promise<void> | void;
}

export class Arrival {
  private readonly sink: Sink;
  /** Bytes so far, as they were sent. */
  size = 0;
  /** Of the whole, where upstream tells it. */
  private total: number | undefined;
  private validator: string | undefined;
  /** Of the answer that it began with. */
  headers: Headers = {};

  constructor(sink: Sink) {
    this.sink = sink;
  }

  get isBegun(): boolean {
    return this.size > 0;
  }

  /** Headers that ask for the rest; none where all of it has to come again. */
  rangeHeaders(): Record<string, string> {
    if (!this.isBegun || this.validator === undefined) return {};
    return { range: `bytes=${this.size}-`, "if-range": this.validator };
  }

  /** For a 200. */
  async begin(headers: Headers): Promise<void> {
    if (this.isBegun) await this.sink.restart();
    this.size = 0;
    this.headers = headers;
    this.total = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
    const etag = headers["etag"];
    // A weak one does not tell bytes apart.
    this.validator = etag === undefined || etag.startsWith("W/") ? headers["last-modified"] : etag;
  }

  /** Whether all has come that upstream said there is. */
  get isWhole(): boolean {
    return this.total === undefined || this.size === this.total;
  }

  /** Whether a 206 is the rest of what is here, to its end. */
  isRest(headers: Headers): boolean {
    const [, start, end, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
    const whole = total === "*" || total === undefined ? this.total : Number(total);
    if (!this.isBegun || Number(start) !== this.size || whole === undefined) return false;
    const isSameWhole = (this.total ?? whole) === whole && Number(end) === whole - 1;
    const isSame = ["etag", "last-modified"].every(
      (name) => headers[name] === undefined || headers[name] === this.headers[name],
    );
    if (isSameWhole && isSame) this.total = whole;
    return isSameWhole && isSame;
  }

  /** It has to come from its beginning again. */
  async forget(): Promise<void> {
    await this.begin({});
  }

  async add(chunk: Buffer): Promise<void> {
    await this.sink.write(chunk);
    this.size += chunk.length;
  }
}

export class MemorySink implements Sink {
  private chunks: Buffer[] = [];

  write(chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  restart(): void {
    this.chunks = [];
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** Hashes what it writes. The caller opens and closes the file. */
export class FileSink implements Sink {
  private readonly handle: FileHandle;
  private hash: Hash = createHash("sha256");
  private size = 0;
  /** The first bytes. */
  start = Buffer.alloc(0);

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  /** @throws MirrorError `storage` */
  async write(chunk: Buffer): Promise<void> {
    if (this.start.length < 256) this.start = Buffer.concat([this.start, chunk.subarray(0, 256)]);
    try {
      for (let at = 0; at < chunk.length;) {
        const { bytesWritten } = await this.handle.write(chunk, at, chunk.length - at, this.size + at);
        at += bytesWritten;
      }
    } catch (cause) {
      throw new MirrorError("storage", "cannot write what arrives", { cause });
    }
    this.hash.update(chunk);
    this.size += chunk.length;
  }

  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.hash = createHash("sha256");
    this.size = 0;
    this.start = Buffer.alloc(0);
  }

  /** 64 hex digits, of what was written so far. */
  sha256(): string {
    return this.hash.copy().digest("hex");
  }

  get bytes(): number {
    return this.size;
  }
}
