/** What releases need, as their records in this mirror say. Apart, since reading records brings in a library. */
import type { HexEntry } from "../lock/entries.ts";
import { readSignedRecord } from "../registry/adoption.ts";
import type { StorePaths } from "../store/paths.ts";
import { publishedKey } from "../store/published-key.ts";

/** @returns names of packages and of applications; undefined where its record is not here, or cannot be trusted */
export type NeedsOf = (entry: HexEntry) => Promise<string[] | undefined>;

export async function openNeeds(paths: StorePaths): Promise<NeedsOf> {
  const key = await publishedKey(paths).catch(() => undefined);
  return async ({ repository, name, version }) => {
    const signed = await readSignedRecord(paths.registry(repository), name, key === undefined ? [] : [key]);
    const release = signed?.record.releases.find((each) => each.version === version);
    return release?.dependencies.flatMap(({ package: needed, app }) => (app ? [needed, app] : [needed]));
  };
}
