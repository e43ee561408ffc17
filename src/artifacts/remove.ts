/** Takes what is held away, with the folders that it leaves empty. */
import type { Place } from "../disk/place.ts";
import type { Held } from "./artifact.ts";

/** @param roots stay, empty or not; what lies below none of them leaves its folder as it is */
export async function removeAll(held: readonly Held[], roots: readonly Place[]): Promise<void> {
  for (const { places } of held) for (const place of places) await removeBelow(place, roots);
}

async function removeBelow(place: Place, roots: readonly Place[]): Promise<void> {
  await place.remove();
  const isBelowRoot = (folder: Place) => roots.some((root) => folder.path !== root.path && root.holds(folder));
  for (let folder = place.parent; folder !== undefined && isBelowRoot(folder); folder = folder.parent) {
    if (!(await folder.removeIfEmpty())) return;
  }
}
