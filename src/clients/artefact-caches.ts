/**
 * What the mirror holds of what packages download while they compile, laid out as those who look for it have their caches:
 * they find it there, and ask nobody. Not all of them look again whether it is what the package names, so we do.
 *
 *   RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH   rustler_precompiled   by name
 *   ELIXIR_MAKE_CACHE_DIR                   elixir_make           by name
 *   XLA_CACHE_DIR                           xla                   VERSION/download/NAME
 *
 * Copies, since they write there too. A folder that the user has named stays the user's.
 */
import { basename } from "node:path";
import { hashFile, openHashes } from "../artifacts/hash-file.ts";
import { downloadsOf } from "../artifacts/package-downloads.ts";
import type { Place } from "../disk/place.ts";
import type { Cache } from "../downloads/precompiled.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJob, keyOf, type FileJob } from "../plan/files.ts";
import type { StorePaths } from "../store/paths.ts";

const cacheVariables: Readonly<Record<Cache, string>> = {
  rustler_precompiled: "RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH",
  elixir_make: "ELIXIR_MAKE_CACHE_DIR",
  xla: "XLA_CACHE_DIR",
};

/**
 * @param folder for the caches; made where there is something to put there
 * @param users the environment as the user has it
 * @returns the variables that lead there
 */
export async function layOutCaches(
  paths: StorePaths,
  folder: Place,
  { locks, users }: { readonly locks: readonly Lock[]; readonly users: Readonly<Record<string, string | undefined>> },
): Promise<Record<string, string>> {
  if (!paths.filesDir.isFolder()) return {};
  const hashes = await openHashes(paths.cache, paths.filesDir.path);
  const copies = await openHashes(paths.cache, folder.path);
  const found = new Set<Cache>();
  for (const { version, files } of await downloadsOf(paths, locks, "all")) {
    for (const { url, sha256, cache } of files) {
      if (cache === undefined || users[cacheVariables[cache]]) continue;
      const job = jobOf(url);
      const held = job === undefined ? undefined : paths.file(job.host, job.path);
      if (job === undefined || held?.isFile() !== true) continue;
      if ((await hashes.get(keyOf(job), held, hashFile)) !== sha256) continue;
      const name = `${cache}/${cache === "xla" ? `${version}/download/` : ""}${basename(held.path)}`;
      const copy = folder.at(name);
      const isThere = copy.isFile() && (await copies.get(name, copy, hashFile)) === sha256;
      if (!isThere) await held.copyTo(copy);
      found.add(cache);
    }
  }
  await hashes.save();
  await copies.save();
  return Object.fromEntries([...found].map((cache) => [cacheVariables[cache], folder.at(cache).verifiedPath()]));
}

/** undefined for what cannot be kept, which a sync tells. */
function jobOf(url: string): FileJob | undefined {
  try {
    return fileJob(url, undefined);
  } catch {
    return undefined;
  }
}
