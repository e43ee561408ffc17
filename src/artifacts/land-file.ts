/** Content → its place, in two steps: written beside it while nobody waits, then renamed as the only writer. */
import type { Place } from "../disk/place.ts";
import type { Land } from "./artifact.ts";

/** @throws MirrorError, a system error */
export async function landFile(
  land: Land,
  file: Place,
  content: Uint8Array,
  unsigned?: Parameters<Land>[1],
): Promise<void> {
  const staged = await file.stage(content);
  try {
    await land(async () => staged.moveTo(file), unsigned);
  } finally {
    await staged.remove();
  }
}
