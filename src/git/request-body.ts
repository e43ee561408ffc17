/**
 * A request's body, read to its end before the request takes one of git's places: a client that sends slowly keeps
 * nobody waiting. Short ones stay in memory, long ones lie in a file without a name, all of them together within a bound.
 */
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { MirrorError } from "../errors.ts";

export interface RequestBody {
  /** Whole, where it is short. */
  readonly bytes: Buffer | undefined;
  readonly read: () => Readable;
  /** To be called when nobody reads it any more. */
  readonly discard: () => void;
}

// Longer requests tell what a client has already. Bytes.
const maxInMemory = 256 * 1024;
const maxOnDisk = 2 * 1024 ** 3;

/** @param openFile makes a file for a long one, which is gone when it is closed */
export function createBodyReceiver(openFile: () => Promise<FileHandle>): (body: Readable) => Promise<RequestBody> {
  let onDisk = 0;

  /** The rest of a body that has proved to be long. */
  async function spool(first: readonly Buffer[], rest: AsyncIterable<Buffer>): Promise<RequestBody> {
    const file = await openFile();
    let size = 0;
    const discard = () => {
      onDisk -= size;
      size = 0;
      void file.close().catch(() => undefined);
    };
    try {
      const write = async (chunk: Buffer) => {
        size += chunk.length;
        onDisk += chunk.length;
        if (onDisk > maxOnDisk) throw new MirrorError("busy", "too many large requests at once; try again in a moment");
        await file.writeFile(chunk);
      };
      for (const chunk of first) await write(chunk);
      for await (const chunk of rest) await write(chunk);
    } catch (error) {
      discard();
      throw error;
    }
    return { bytes: undefined, read: () => file.createReadStream({ start: 0, autoClose: false }), discard };
  }

  /** @throws MirrorError `malformed` for one that is cut off */
  return async (body) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const rest = body.iterator() as AsyncIterableIterator<Buffer>;
    try {
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
        chunks.push(next.value);
        size += next.value.length;
        if (size > maxInMemory) return await spool(chunks, rest);
      }
    } catch (error) {
      if (error instanceof MirrorError) throw error;
      throw new MirrorError("malformed", "the request is cut off, or not compressed as it says");
    }
    return inMemory(Buffer.concat(chunks));
  };
}

/** What was in memory all the time. */
export function inMemory(bytes: Buffer): RequestBody {
  return { bytes, read: () => Readable.from([bytes]), discard: () => undefined };
}
