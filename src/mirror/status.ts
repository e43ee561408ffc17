/** What the mirror holds, for which locks, and how big it is. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { exists } from "../files.ts";
import { makePlan } from "../plan/plan.ts";
import { listRepositories, listTarballs } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import type { Context } from "./context.ts";

export interface Status {
  readonly locks: readonly { readonly name: string; readonly hex: number; readonly git: number }[];
  readonly hex: { readonly packages: number; readonly releases: number; readonly bytes: number };
  readonly git: readonly {
    readonly url: string;
    readonly bytes: number;
    /** Without history: serves only clients that ask with a depth. */
    readonly shallow: boolean;
    /** The locks that name it; none for one that was put there by hand. */
    readonly locks: readonly string[];
  }[];
}

export async function status({ paths, config }: Context): Promise<Status> {
  const known = await readKnownLocks(paths);
  const tarballs = await listTarballs(paths);
  const sizes = await Promise.all(tarballs.map(async ({ path }) => (await stat(path)).size));
  const users = new Map(
    makePlan(known, config).repositories.map(({ host, path, entries }) => [
      `${host}/${path}`.toLowerCase(),
      [...new Set(entries.map(({ lock }) => lock))].sort(),
    ]),
  );
  const repositories = await listRepositories(paths);
  return {
    locks: known.map(({ name, entries }) => ({
      name,
      hex: entries.filter(({ kind }) => kind === "hex").length,
      git: entries.filter(({ kind }) => kind === "git").length,
    })),
    hex: {
      packages: new Set(tarballs.map(({ name }) => name)).size,
      releases: tarballs.length,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
    },
    git: await Promise.all(
      repositories.map(async ({ host, path, dir }) => ({
        url: `https://${host}/${path}`,
        bytes: await sizeOf(dir),
        shallow: await exists(join(dir, "shallow")),
        locks: users.get(`${host}/${path}`.toLowerCase()) ?? [],
      })),
    ),
  };
}

async function sizeOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
