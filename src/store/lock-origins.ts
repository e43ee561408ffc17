/**
 * Where on this machine each known lock came from: two apps whose folders have one name must not take turns in the
 * mirror, each forgetting what the other needs. Stands beside the writers' lock, which belongs to this machine.
 */
import { realpath } from "node:fs/promises";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { isFile } from "../disk/files.ts";
import type { Lock } from "../lock/entries.ts";
import { jsonText, readJson } from "./json-file.ts";
import type { StorePaths } from "./paths.ts";

const schema = z.record(z.string(), z.string());

/** @throws MirrorError `usage` when a lock of that name is known from another place that is still there */
export async function refuseOtherOrigins(paths: StorePaths, locks: readonly Lock[]): Promise<void> {
  const known = await readOrigins(paths);
  for (const { name, origin } of locks) {
    const other = known[name];
    if (origin === undefined || other === undefined || !isFile(other)) continue;
    if ((await realpath(origin)) === (await realpath(other))) continue;
    throw new MirrorError(
      "usage",
      `the mirror knows ${other} as "${name}"; give ${origin} another name with --lock-name, or it would take its place`,
    );
  }
}

/** Under which name the mirror knows the lock at each real path of this machine that still has one. */
export async function lockNames(paths: StorePaths): Promise<ReadonlyMap<string, string>> {
  const known = Object.entries(await readOrigins(paths)).filter(([, path]) => isFile(path));
  return new Map(await Promise.all(known.map(async ([name, path]) => [await realpath(path), name] as const)));
}

export async function writeOrigins(paths: StorePaths, locks: readonly Lock[]): Promise<void> {
  const given = locks.flatMap(({ name, origin }) => (origin === undefined ? [] : [[name, origin] as const]));
  const all = { ...(await readOrigins(paths)), ...Object.fromEntries(given) };
  await paths.lockOrigins.write(jsonText(all));
}

/** None where there are none, or none that can be read: then nothing is known, and nothing refused. */
async function readOrigins({ lockOrigins: place }: StorePaths): Promise<Record<string, string>> {
  return (await readJson({ place, schema, whenDamaged: "counts as none" }).catch(() => undefined)) ?? {};
}
