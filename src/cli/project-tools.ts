/** Which versions of tailwind and esbuild a project's `config/*.exs` names, where its lock has the packages of these names. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { readToolVersions } from "../downloads/app-config.ts";
import { toolNames, type LockEntry, type ToolVersions } from "../lock/entries.ts";

/** @param folder of the project @returns none where nothing can be read: then the packages' own versions count */
export async function projectTools(folder: string, entries: readonly LockEntry[]): Promise<ToolVersions[]> {
  const locked = toolNames.filter((name) => entries.some((entry) => entry.kind === "hex" && entry.name === name));
  if (locked.length === 0) return [];
  const names = (await readdir(join(folder, "config")).catch(() => [])).filter((name) => name.endsWith(".exs"));
  const texts = await Promise.all(
    names.sort().map(async (name) => readFile(join(folder, "config", name), "utf8").catch(() => "")),
  );
  return readToolVersions(texts).filter(({ name }) => locked.includes(name));
}
