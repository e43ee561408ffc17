/**
 * Whoever makes an image, or puts a mirror in the place of another, is alone at that name: of two at once, each would take away
 * what the other has just put there. The lock lies beside it, and goes with whoever leaves it last.
 */
import { basename, dirname, join } from "node:path";
import { takeWritersLock } from "../disk/writers-lock.ts";
import { filePlace } from "./layout.ts";

/** @param path absolute @param work until its signal, after which it is not alone any more @throws MirrorError `cancelled`, `storage` */
export async function alone<T>(
  path: string,
  { note, signal }: { readonly note: (text: string) => void; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const folder = filePlace(join(dirname(path), `.${basename(path)}.lock`));
  const onWait = () => note(`another process is writing to ${path}; waiting for it`);
  const lock = await takeWritersLock(folder, { onWait, isPatient: true, signal });
  try {
    return await work(AbortSignal.any([signal, lock.signal]));
  } finally {
    await lock.release();
    await folder.removeIfEmpty();
  }
}
