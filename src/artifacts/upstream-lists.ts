/** Upstream's own `names` and `versions`, kept in the mirror where that is asked for: they are of all packages that there are. */
import { transferOf } from "../reporter.ts";
import { fetchList, type ListName } from "../upstream/hex.ts";
import type { BringTools } from "./artifact.ts";
import type { HexSource } from "./hex-sources.ts";
import { landFile } from "./land-file.ts";

const lists: readonly ListName[] = ["names", "versions"];

/** @throws MirrorError; both are fetched before either is kept */
export async function bringUpstreamLists(
  { paths, upstream }: HexSource,
  tools: Pick<BringTools, "http" | "land" | "reporter" | "signal">,
): Promise<void> {
  const fetched: { readonly name: ListName; readonly bytes: Buffer }[] = [];
  for (const name of lists) {
    const list = await fetchList(tools.http, upstream, name, undefined, transferOf(tools));
    if (list.changed) fetched.push({ name, bytes: list.bytes });
  }
  for (const { name, bytes } of fetched) {
    const place = paths.upstreamDir.at(name);
    if (!(await place.contains(bytes))) await landFile(tools.land, place, bytes);
  }
}
