/** Where damaged things go: out of clients' reach, and still there for whoever wants to look at them. */
import { MirrorError } from "../errors.ts";
import type { Place } from "../disk/place.ts";
import type { StorePaths } from "./paths.ts";

/** An older finding of the same name makes way. @returns where it lies now @throws MirrorError, a system error */
export async function quarantine(paths: StorePaths, place: Place): Promise<string> {
  if (isGone(place)) throw new MirrorError("busy", `another process has taken ${place.path} away`);
  const target = paths.quarantine.at(`${roomOf(paths, place)}${place.below}`);
  await target.remove();
  await place.moveTo(target);
  return target.path;
}

/** The registry and the repositories may lie outside the mirror's folder; here they have the rooms that they have there. */
function roomOf(paths: StorePaths, place: Place): string {
  if (paths.hex.holds(place)) return "hex/";
  return paths.git.holds(place) ? "git/" : "";
}

/** A link is there, too. */
function isGone(place: Place): boolean {
  try {
    return place.look() === undefined;
  } catch {
    return false;
  }
}
