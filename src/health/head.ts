/** Does a repository's HEAD lead to a commit? Where it leads nowhere, a clone of it comes without files. */
import type { Place } from "../disk/place.ts";
import { arePackedRefsWhole, branchesAndTags, hasRef, headOf } from "../git/refs-in-files.ts";

/** @returns what is wrong, after the repository's name */
export async function headProblem(place: Place): Promise<string | undefined> {
  if (!arePackedRefsWhole(place)) return "has packed-refs that are damaged: sync to fetch it anew";
  const head = headOf(place);
  if (head === undefined || hasRef(place, head)) return undefined;
  const refs = await branchesAndTags(place);
  // A repository that is empty has none, and is none the worse for it.
  return refs === undefined || refs.size === 0 ? undefined : `has a HEAD that leads nowhere: there is no ${head}`;
}
