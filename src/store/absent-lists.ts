/**
 * `upstream/installers.json`: which lists of installers upstream does not have, as it said when it was last asked, so that
 * one that is not here can be told from one that is missing.
 */
import * as z from "zod";
import type { StorePaths } from "./paths.ts";

const schema = z.object({ absent: z.array(z.string()) });

/** None, too, where the file is damaged: that costs a sync. */
export async function readAbsentLists(paths: StorePaths): Promise<ReadonlySet<string>> {
  try {
    const text = (await paths.absentLists.read())?.toString("utf8") ?? "";
    return new Set(schema.parse(JSON.parse(text)).absent);
  } catch {
    return new Set();
  }
}

export async function writeAbsentLists(paths: StorePaths, absent: ReadonlySet<string>): Promise<void> {
  if (absent.size === 0 && paths.absentLists.look() === undefined) return;
  await paths.absentLists.writeIfChanged(`${JSON.stringify({ absent: [...absent].sort() }, null, 1)}\n`);
}
