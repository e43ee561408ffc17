/**
 * Undoes the `Content-Encoding` of an answer: nobody asked for one, and a proxy that compresses does so all the same. Where
 * the thing itself is gzip, as records and .tar.gz files are, many servers only describe it by that header: what is no
 * gzip when the encoding is undone was not encoded.
 */
import { Readable, pipeline, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { MirrorError } from "../errors.ts";
import type { Sink } from "./arrival.ts";

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

// More than one is rare.
const maxEncodings = 3;

/**
 * In the order in which they are undone; none for bytes as they are, and for words that name no encoding (`utf-8`): what is
 * wrong with the bytes then is found by whoever verifies them.
 */
export function decodersFor(encoding: string | undefined): Transform[] {
  const names = (encoding ?? "").toLowerCase().split(",");
  const applied = names.map((name) => name.trim()).filter((name) => name !== "" && name !== "identity");
  const makers = applied.reverse().map((name) => decoders[name]);
  const known = makers.filter((make) => make !== undefined);
  return known.length === makers.length && known.length <= maxEncodings ? known.map((make) => make()) : [];
}

export interface Encoded {
  readonly bytes: AsyncIterable<Buffer> | Iterable<Buffer>;
  readonly decoders: readonly Transform[];
  /** Of what comes out, in bytes. */
  readonly maxSize: number;
  /** Whether what comes out has to be gzip. */
  readonly isGzip: boolean;
}

/**
 * @returns whether it was encoded at all; where it was not, what the sink got is of no use
 * @throws MirrorError `integrity`, `too_large`
 */
export async function decode({ bytes, decoders: undo, maxSize, isGzip }: Encoded, sink: Sink): Promise<boolean> {
  let size = 0;
  const take = async (chunk: Buffer) => {
    if (size === 0 && isGzip && !hasGzipMark(chunk)) throw new NotEncoded();
    size += chunk.length;
    if (size > maxSize) throw new MirrorError("too_large", `it unpacks to more than ${maxSize} bytes`);
    await sink.write(chunk);
  };
  const end = async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) await take(chunk);
  };
  try {
    await end(undo.reduce<Readable>((source, next) => compose(source, next), Readable.from(bytes)));
  } catch (cause) {
    if (cause instanceof NotEncoded) return false;
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError("integrity", "its encoding is damaged", { cause });
  }
  return true;
}

class NotEncoded extends Error {}

/** What fails on the one side ends the other; whoever reads is told. */
function compose(source: Readable, next: Transform): Readable {
  return pipeline(source, next, () => undefined);
}

function hasGzipMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}
