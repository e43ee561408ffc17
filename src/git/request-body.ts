/**
 * A request's body, read to its end before the request takes one of git's places: a client that sends slowly keeps
 * nobody waiting. Short ones stay in memory, long ones, and all when memory is short, lie in files without names; each
 * client has a share of the room.
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

export type BodyReceiver = (body: Readable, client: string) => Promise<RequestBody>;

/** Bytes. */
export interface BodyLimits {
  /** Longer requests tell what a client has already. */
  readonly short: number;
  readonly inMemory: number;
  readonly onDisk: number;
  readonly ofClient: number;
}

const usualLimits: BodyLimits = {
  short: 256 * 1024,
  inMemory: 64 * 1024 ** 2,
  onDisk: 2 * 1024 ** 3,
  // Four of the longest requests that there may be.
  ofClient: 256 * 1024 ** 2,
};

/** @param openFile makes a file for a long one, which is gone when it is closed */
export function createBodyReceiver(
  openFile: () => Promise<FileHandle>,
  limits: BodyLimits = usualLimits,
): BodyReceiver {
  let inMemory = 0;
  const disk = new DiskRoom(limits);
  /** @throws MirrorError `malformed` for one that is cut off, `busy`, `storage` */
  return async (body, client) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const rest = body.iterator() as AsyncIterator<Buffer>;
    const leave = () => {
      inMemory -= size;
      size = 0;
    };
    try {
      for (let next = await nextOf(rest); next !== undefined; next = await nextOf(rest)) {
        chunks.push(next);
        size += next.length;
        inMemory += next.length;
        if (size > limits.short || inMemory > limits.inMemory) {
          leave();
          return await spool(chunks, rest, openFile, disk.account(client));
        }
      }
    } catch (error) {
      leave();
      throw error;
    }
    return { ...ofBytes(Buffer.concat(chunks)), discard: leave };
  };
}

interface Account {
  /** @throws MirrorError `busy` */
  readonly take: (bytes: number) => void;
  /** All of it, once. */
  readonly giveBack: () => void;
}

/** Room on the disk, taken a chunk at a time, shared by all clients and bounded for each. */
class DiskRoom {
  private readonly limits: BodyLimits;
  private taken = 0;
  private readonly ofClient = new Map<string, number>();

  constructor(limits: BodyLimits) {
    this.limits = limits;
  }

  account(client: string): Account {
    let own = 0;
    const add = (bytes: number) => {
      own += bytes;
      this.taken += bytes;
      const all = (this.ofClient.get(client) ?? 0) + bytes;
      if (all === 0) this.ofClient.delete(client);
      else this.ofClient.set(client, all);
      return all;
    };
    return {
      take: (bytes) => {
        if (add(bytes) <= this.limits.ofClient && this.taken <= this.limits.onDisk) return;
        throw new MirrorError("busy", "too many large requests at once; try again in a moment");
      },
      giveBack: () => void add(-own),
    };
  }
}

/** The rest of a body that proved to be long. */
async function spool(
  first: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
  openFile: () => Promise<FileHandle>,
  { take, giveBack }: Account,
): Promise<RequestBody> {
  const file = await openFile().catch(cannotKeep);
  let isOpen = true;
  const discard = () => {
    if (!isOpen) return;
    isOpen = false;
    giveBack();
    void file.close().catch(() => undefined);
  };
  const write = async (chunk: Buffer) => {
    take(chunk.length);
    await file.writeFile(chunk).catch(cannotKeep);
  };
  try {
    for (const chunk of first) await write(chunk);
    for (let next = await nextOf(rest); next !== undefined; next = await nextOf(rest)) await write(next);
  } catch (error) {
    discard();
    throw error;
  }
  return { bytes: undefined, read: () => file.createReadStream({ start: 0, autoClose: false }), discard };
}

/** What is in memory anyway. */
export function ofBytes(bytes: Buffer): RequestBody {
  return { bytes, read: () => Readable.from([bytes]), discard: () => undefined };
}

async function nextOf(rest: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
  try {
    const next = await rest.next();
    return next.done === true ? undefined : next.value;
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    throw new MirrorError("malformed", "the request is cut off, or not compressed as it says");
  }
}

function cannotKeep(cause: unknown): never {
  throw new MirrorError("storage", "a long request cannot be kept in the temporary folder", { cause });
}
