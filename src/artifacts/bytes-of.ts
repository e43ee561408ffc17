/** How much of the disk is held. */
import { sizeOf } from "../disk/walk.ts";
import type { Held } from "./artifact.ts";

/** What cannot be read counts as nothing. */
export async function bytesOf({ places }: Held): Promise<number> {
  const sizes = await Promise.all(places.map(async (place) => sizeOf(place).catch(() => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
