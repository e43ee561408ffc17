/**
 * Gleam asks repo.hex.pm and nobody else, whatever it is told; but it asks nobody for what is in its cache, and does not look
 * at that again. So what a `manifest.toml` locks and the mirror holds is put there, hashed: under its checksum, as Gleam has
 * it since 1.15, and under its name, as it had it before.
 */
import { createHash } from "node:crypto";
import { platform } from "node:os";
import { isAbsolute, join } from "node:path";
import { homeFolder } from "../disk/scratch.ts";
import { Place } from "../disk/place.ts";
import type { HexEntry, Lock } from "../lock/entries.ts";
import type { StorePaths } from "../store/paths.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What cannot be written there is fetched by Gleam itself. */
export async function fillGleamCache(
  paths: StorePaths,
  locks: readonly Lock[],
  environment: Environment,
): Promise<void> {
  const wanted = locks.filter(({ kind }) => kind === "gleam").flatMap(({ entries }) => entries);
  const cache = wanted.length === 0 ? undefined : cacheFolder(environment);
  if (cache === undefined) return;
  const dir = join(cache, "gleam/hex/hexpm/packages");
  // The user's own, which may be reached through any link.
  const folder = Place.root({ dir, noun: "Gleam's cache", isOne: () => true });
  for (const entry of wanted) {
    // Its cache may belong to somebody else.
    if (entry.kind === "hex") await putThere(paths, folder, entry).catch(() => undefined);
  }
}

async function putThere(paths: StorePaths, folder: Place, entry: HexEntry): Promise<void> {
  const { name, version, repository, outerChecksum = "" } = entry;
  const places = [`${outerChecksum.toUpperCase()}.tar`, `${name}-${version}.tar`].map((each) => folder.at(each));
  const missing = places.filter((place) => !place.isFile());
  const bytes = missing.length === 0 ? undefined : await paths.registry(repository).tarball(name, version).read();
  if (bytes === undefined || createHash("sha256").update(bytes).digest("hex") !== outerChecksum) return;
  for (const place of missing) await place.write(bytes);
}

/** As Gleam finds it: by the variable on Linux alone. @returns undefined for a user without a home */
function cacheFolder({ XDG_CACHE_HOME: given = "", HOME, LOCALAPPDATA: local }: Environment): string | undefined {
  const home = HOME || homeFolder();
  if (platform() === "win32") return local;
  if (platform() === "linux" && isAbsolute(given)) return given;
  return home === undefined ? undefined : join(home, platform() === "darwin" ? "Library/Caches" : ".cache");
}
