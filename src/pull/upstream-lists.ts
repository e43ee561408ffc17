/**
 * Upstream's `names` and `versions`: of all packages that there are, so they are fetched only when a client asks for a list, and
 * kept in the cache folder.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import type { Place } from "../disk/place.ts";
import { Lists } from "../registry/lists.ts";
import { transferOf } from "../reporter.ts";
import { jsonText, readJson } from "../store/json-file.ts";
import { fetchList, verifyList, type HexUpstream, type ListName } from "../upstream/hex.ts";
import type { Bringer } from "./bringer.ts";
import { currentOf, type Current, type CurrentTools } from "./current.ts";

export interface UpstreamLists {
  readonly lists: Lists;
  /** Of both. */
  readonly digest: string;
  /** Where each lies as upstream signed it. */
  readonly places: Readonly<Record<ListName, Place>>;
}

export interface ListsTools extends CurrentTools {
  readonly bringer: Bringer;
  /** Seconds. */
  readonly maxAge: number;
  /** Where they are kept. */
  readonly folder: Place;
}

const names = ["names", "versions"] as const;
const validatorsSchema = z.record(
  z.string(),
  z.object({ etag: z.string().optional(), lastModified: z.string().optional() }),
);

/** @returns both, or neither: a list of names without their versions is of use to nobody @throws as `Records.get` */
export function createUpstreamLists(upstream: HexUpstream, tools: ListsTools): () => Promise<Current<UpstreamLists>> {
  const { bringer, maxAge, folder } = tools;
  const host = new URL(upstream.url).host;
  const places = { names: folder.at("names"), versions: folder.at("versions") };
  const validators = { place: folder.at("validators.json"), schema: validatorsSchema };
  let known: { readonly stamp: string; readonly lists: UpstreamLists } | undefined;

  const held = async (): Promise<UpstreamLists | undefined> => {
    const files = await Promise.all(names.map(async (name) => places[name].read()));
    const [nameList, versionList] = files;
    if (nameList === undefined || versionList === undefined) return undefined;
    const digest = createHash("sha256").update(nameList).update(versionList).digest("hex");
    if (known?.stamp === digest) return known.lists;
    try {
      const payloads = {
        names: verifyList(nameList, upstream, "names", places.names.path),
        versions: verifyList(versionList, upstream, "versions", places.versions.path),
      };
      const lists = Lists.decode(payloads, upstream.repository);
      if (lists !== undefined) known = { stamp: digest, lists: { lists, digest, places } };
      return lists === undefined ? undefined : known?.lists;
    } catch {
      // Another upstream's, or damaged.
      return undefined;
    }
  };
  const refresh = async (before: UpstreamLists | undefined): Promise<UpstreamLists> => {
    const said = before === undefined ? {} : ((await readJson({ ...validators, whenDamaged: "counts as none" })) ?? {});
    const after: typeof said = { ...said };
    for (const name of names) {
      const fetched = await fetchList(bringer.http, upstream, name, said[name], transferOf(bringer));
      if (!fetched.changed) continue;
      await places[name].write(fetched.bytes);
      after[name] = fetched.validator;
    }
    await validators.place.writeIfChanged(jsonText(after));
    const now = await held();
    if (now === undefined) throw new Error("what was fetched just now is not there any more");
    return now;
  };
  const onRefused = (why: string) => bringer.reporter.warn(`upstream's lists are served as they are held: ${why}`);
  return async () => currentOf({ key: `lists ${upstream.url}`, host, maxAge, held, refresh, onRefused }, tools);
}
