/** How much room is left on the disk that a place lies on. */
import { access, constants, statfs } from "node:fs/promises";
import type { Place } from "./place.ts";

export interface Room {
  /** Bytes that this user may still write. */
  readonly free: number;
  readonly total: number;
}

/** undefined where nothing can be written, whatever room there is: an image, a disk that is mounted to be read. */
export async function roomAt(place: Place): Promise<Room | undefined> {
  try {
    await access(place.path, constants.W_OK);
    const { bavail, blocks, bsize } = await statfs(place.path);
    return { free: bavail * bsize, total: blocks * bsize };
  } catch {
    return undefined;
  }
}
