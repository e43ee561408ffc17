/** What is held and is neither a package nor a repository. */
import { bytesOf } from "../artifacts/bytes-of.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import { showItem } from "../names/shown-item.ts";
import { readFileChecksums } from "../store/file-checksums.ts";
import type { StorePaths } from "../store/paths.ts";
import type { HeldFile } from "./shape.ts";

export async function listFiles(
  paths: StorePaths,
  { installers, files, policies, documentation }: Kinds,
): Promise<HeldFile[]> {
  const checksums = await readFileChecksums(paths).catch(() => new Map<string, { sha256: string }>());
  const kinds = [
    ["installer", installers],
    ["file", files],
    ["policy", policies],
    ["documentation", documentation],
  ] as const;
  const found: HeldFile[] = [];
  for (const [kind, { list }] of kinds) {
    // Where the way is barred there are none, and health tells of the bar.
    for (const held of await list().catch(() => [])) {
      const url = held.item.kind === "file" ? held.item.url.replace(/^https?:\/\//, "") : "";
      const sha256 = checksums.get(url)?.sha256 ?? null;
      found.push({ kind, name: showItem(held.item), bytes: await bytesOf(held), sha256 });
    }
  }
  return found;
}
