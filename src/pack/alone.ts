/**
 * Whoever makes an image, or puts a mirror in the place of another, is alone at that name: of two at once, each would take away
 * what the other has just put there. The lock goes with whoever leaves it last.
 */
import { basename, dirname, join } from "node:path";
import type { Place } from "../disk/place.ts";
import { takeWritersLock } from "../disk/writers-lock.ts";
import { filePlace, layoutPlace } from "./layout.ts";

const lockInLayout = ".lock";

/** Of what is replaced by rename, beside which there is room to write. @param path absolute */
export function lockBeside(path: string): Place {
  return filePlace(join(dirname(path), `.${basename(path)}.lock`));
}

/** Of a layout, in it: it may be a volume in a folder that is somebody else's. @param path absolute */
export function lockInside(path: string): Place {
  return layoutPlace(path).at(lockInLayout);
}

/** Whether something lies in a layout's folder, but for the lock of whoever is just making it. */
export async function isBegun(layout: Place): Promise<boolean> {
  return (await layout.allEntries()).some(({ name }) => name !== lockInLayout);
}

interface AloneOptions {
  readonly lock: Place;
  /** Told when another has to be waited for. */
  readonly onWait: () => void;
  readonly signal: AbortSignal;
}

/** @param work until its signal, after which it is not alone any more @throws MirrorError `cancelled`, `storage` */
export async function alone<T>(
  { lock, onWait, signal }: AloneOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const held = await takeWritersLock(lock, { onWait, isPatient: true, signal });
  try {
    return await work(AbortSignal.any([signal, held.signal]));
  } finally {
    await held.release();
    await lock.removeIfEmpty();
  }
}
