/**
 * `upstream/installers.json`: which lists of installers upstream does not have, as it said when it was last asked, so that
 * one that is not here can be told from one that is missing.
 */
import * as z from "zod";
import { jsonText, readJson } from "./json-file.ts";
import type { StorePaths } from "./paths.ts";

const schema = z.object({ absent: z.array(z.string()) });

/** None, too, where the file is damaged: that costs a sync. */
export async function readAbsentLists({ absentLists: place }: StorePaths): Promise<ReadonlySet<string>> {
  return new Set((await readJson({ place, schema, whenDamaged: "counts as none" }))?.absent);
}

/** What upstream said of some, beside what is known of others. For the only writer. */
export async function addAbsentLists(paths: StorePaths, asked: ReadonlyMap<string, "absent" | "there">): Promise<void> {
  const known = [...(await readAbsentLists(paths))].filter((name) => !asked.has(name));
  const absent = new Set([...known, ...[...asked].filter(([, state]) => state === "absent").map(([name]) => name)]);
  if (absent.size === 0 && paths.absentLists.look() === undefined) return;
  await paths.absentLists.writeIfChanged(jsonText({ absent: [...absent].sort() }));
}
