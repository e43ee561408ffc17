/** What tarballs say of themselves, read when it is first asked for, and again when a file is another. */
import { LRUCache } from "lru-cache";
import type { Place } from "../disk/place.ts";
import { stampFrom, type Stamped } from "../disk/stamp.ts";
import type { About } from "../hex/metadata.ts";
import { readUnverified } from "../hex/tarball.ts";

/** Of what says nothing. */
export const nothing: About = { description: undefined, licenses: [], links: {}, buildTools: [], elixir: undefined };
const remembered = new LRUCache<string, { readonly stamp: string; readonly about: About }>({ max: 20_000 });

/** Nothing for a tarball that is not there or damaged: what is wrong with it is told elsewhere. */
export async function aboutOf(place: Place, stats: Stamped | undefined): Promise<About> {
  if (stats === undefined) return nothing;
  const stamp = stampFrom(stats);
  const known = remembered.get(place.path);
  if (known?.stamp === stamp) return known.about;
  const bytes = await place.read().catch(() => undefined);
  if (bytes === undefined) return nothing;
  const about = aboutIn(bytes);
  remembered.set(place.path, { stamp, about });
  return about;
}

function aboutIn(bytes: Buffer): About {
  try {
    return readUnverified(bytes).about;
  } catch {
    return nothing;
  }
}
