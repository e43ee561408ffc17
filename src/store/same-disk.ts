/**
 * A disk that goes away, or comes, while something is written to it: a stick, a network's, a volume. Where it was there is a
 * folder as well, and what lands there is no mirror that anybody has.
 */
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import type { StorePaths } from "./paths.ts";

/** @throws MirrorError `storage` where one of the mirror's folders lies on another disk when `work` has ended */
export async function onSameDisk<T>({ mirror, hex, git }: StorePaths, work: () => Promise<T>): Promise<T> {
  const places = [mirror, hex, git];
  const before = places.map(diskOf);
  const result = await work();
  for (const [index, place] of places.entries()) {
    const [was, is] = [before[index], diskOf(place)];
    if (was === undefined || was === is || (is === undefined && place !== mirror)) continue;
    throw new MirrorError(
      "storage",
      `${place.path} lies on another disk than when this began, as when one goes away or comes: what was written lies on either. ` +
        "See that the right one is there, and run it again",
    );
  }
  return result;
}

/** By the system's number; inodes tell more, and are not the same for long in folders that other machines share. */
function diskOf(place: Place): number | undefined {
  return place.look()?.dev;
}
