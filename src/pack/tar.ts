/**
 * Layers as tar archives, streamed. Written: the same bytes for the same files, whoever packs them, wherever and whenever: one
 * owner, one time, one mode for files and one for folders, in the order of their paths. Read: one entry after the other.
 */
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { createTarDecoder } from "modern-tar";
import { packTar, type TarSource } from "modern-tar/fs";
import { MirrorError } from "../errors.ts";
import { trimEnd } from "../text.ts";
import type { Place } from "../disk/place.ts";

export interface TarFile {
  /** In the archive, with `/`. */
  readonly path: string;
  readonly content: Place | Buffer;
  /** Bytes. */
  readonly size: number;
}

export interface TarEntry {
  readonly path: string;
  readonly kind: "file" | "folder" | "other";
  /** Of a file. To be read, or passed over, before the next entry comes. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

// As the image's own user: who starts it there may read its files and nobody needs to give them to anybody.
const owner = { uid: 1000, gid: 1000, uname: "", gname: "" };
const time = { mtime: new Date(0) };

/**
 * Nothing is opened before somebody reads: an error that comes while nobody listens would end the process.
 * @param files sorted by path; each comes after the folders that it lies in @throws MirrorError `busy` as {@link contentOf}
 */
export async function* tarOf(files: readonly TarFile[]): AsyncGenerator<Buffer> {
  const seen = new Set<string>();
  const sources = files.flatMap((file) => [
    ...foldersOn(file.path, seen).map((path) => entry({ path: `${path}/`, content: Buffer.alloc(0), size: 0 }, 0o755)),
    entry(file, 0o644),
  ]);
  yield* packTar(sources) as AsyncIterable<Buffer>;
}

function entry(file: TarFile, mode: number): TarSource {
  const { path: target, content, size } = file;
  const common = { target, mode, ...owner, ...time };
  if (Buffer.isBuffer(content)) return { type: "content", content, ...common };
  // A stream must have something to give.
  if (size === 0) return { type: "content", content: Buffer.alloc(0), ...common };
  // Opened when its turn comes: there may be thousands.
  const stream = Readable.from(contentOf(file), { objectMode: false });
  // Who reads it hears of an error before it is emitted, and listens no more.
  stream.on("error", () => undefined);
  return { type: "stream", size, content: stream, ...common };
}

/** @throws MirrorError `busy` where it went since, or has another size */
export async function* contentOf({ path, content, size }: TarFile): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(content)) {
    yield content;
    return;
  }
  const changed = () => new MirrorError("busy", `${path} was replaced while it was packed; run it again`);
  if (!content.isFile()) throw changed();
  const opened = await content.openForReading();
  try {
    if ((await opened.stat()).size !== size) throw changed();
    const stream = opened.createReadStream({ highWaterMark: 256 * 1024, autoClose: false });
    for await (const chunk of stream) yield chunk as Buffer;
  } finally {
    await opened.close();
  }
}

/** @param seen those that have come, and takes those that come now */
function foldersOn(path: string, seen: Set<string>): string[] {
  const parts = path.split("/").slice(0, -1);
  const folders = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  return folders.filter((folder) => {
    const isNew = !seen.has(folder);
    seen.add(folder);
    return isNew;
  });
}

/** @throws MirrorError `malformed` for what is no archive, or ends too soon */
export async function* entriesIn(archive: Readable, where: string): AsyncGenerator<TarEntry> {
  const decoder = createTarDecoder({ strict: true });
  const feeding = feed(archive, decoder.writable.getWriter());
  feeding.catch(() => undefined);
  try {
    for await (const { header, body } of decoder.readable as ReadableStream<TarHead>) {
      let isRead = false;
      const bytes = async function* () {
        isRead = true;
        try {
          yield* body;
        } catch (cause) {
          throw notAll(where, cause);
        }
      };
      const kind = header.type === "directory" ? "folder" : (header.type ?? "file") === "file" ? "file" : "other";
      yield {
        path: trimEnd(header.name, "/"),
        kind,
        bytes: { [Symbol.asyncIterator]: bytes },
      };
      if (!isRead) await body.cancel();
    }
    await feeding;
  } catch (cause) {
    throw notAll(where, cause);
  } finally {
    archive.destroy();
  }
}

function notAll(where: string, cause: unknown): MirrorError {
  if (cause instanceof MirrorError) return cause;
  return new MirrorError("malformed", `${where} is no tar archive, or not all of one`, { cause });
}

interface TarHead {
  readonly header: { readonly name: string; readonly type?: string };
  readonly body: ReadableStream<Uint8Array>;
}

interface Writer {
  readonly ready: Promise<void>;
  readonly write: (chunk: Uint8Array<ArrayBuffer>) => Promise<void>;
  readonly close: () => Promise<void>;
  readonly abort: (reason: unknown) => Promise<void>;
}

async function feed(archive: Readable, writer: Writer): Promise<void> {
  try {
    for await (const chunk of archive) {
      await writer.ready;
      await writer.write(new Uint8Array(chunk as Buffer));
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    throw error;
  }
}
