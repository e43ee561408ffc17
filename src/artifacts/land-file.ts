/** Content → its place, in two steps: written beside it while nobody waits, then renamed as the only writer. */
import type { Place } from "../disk/place.ts";

/**
 * Gives what was fetched and verified its place, as the only writer; by then another process may have been faster.
 * @param unsigned the package that is signed anew because of it
 */
export type Land = <T>(
  work: () => Promise<T>,
  unsigned?: { readonly repository: string; readonly name: string },
) => Promise<T>;

export interface LandOptions {
  /** Whether it may still have its place, which others may have changed meanwhile. @throws what says that it may not */
  readonly check?: () => Promise<void>;
  /** As of `Land`. */
  readonly unsigned?: Parameters<Land>[1];
}

/** @throws MirrorError, a system error */
export async function landFile(
  land: Land,
  file: Place,
  content: Uint8Array,
  { check, unsigned }: LandOptions = {},
): Promise<void> {
  const staged = await file.stage(content);
  try {
    await land(async () => {
      await check?.();
      await staged.moveTo(file);
    }, unsigned);
  } finally {
    await staged.remove();
  }
}
