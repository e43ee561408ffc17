/** What the mirror holds, for which locks, how big it is, and how old. */
import { join } from "node:path";
import { exists } from "../files.ts";
import { makePlan } from "../plan/plan.ts";
import { listDocs, listRegistries, listRepositories, listTarballs } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { readLastSync } from "../store/last-sync.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { listFiles, sizeOf } from "../store/sizes.ts";
import { requireMirror, type Context } from "./context.ts";

export interface Status {
  /** ISO 8601; undefined when this folder was not synced on this machine. */
  readonly lastSync: string | undefined;
  readonly locks: readonly { readonly name: string; readonly hex: number; readonly git: number }[];
  /** All Hex repositories together. */
  readonly hex: HexStatus;
  /** By name, with the releases that no known lock names. */
  readonly repositories: readonly (HexStatus & {
    readonly name: string;
    readonly unneeded: number;
    readonly docs: number;
  })[];
  readonly git: readonly {
    readonly url: string;
    readonly bytes: number;
    /** Without history: serves only clients that ask with a depth. */
    readonly shallow: boolean;
    /** The locks that name it; none for one that was put there by hand. */
    readonly locks: readonly string[];
  }[];
  readonly installers: { readonly files: number; readonly bytes: number };
  readonly files: { readonly files: number; readonly bytes: number };
}

export interface HexStatus {
  readonly packages: number;
  readonly releases: number;
  readonly bytes: number;
}

export async function status(context: Context): Promise<Status> {
  await requireMirror(context);
  const { paths } = context;
  const known = await readKnownLocks(paths);
  const plan = makePlan(known, { allowLocalGit: true });
  const needed = new Set(
    plan.packages.flatMap(({ repository, name, releases }) =>
      releases.map(({ version }) => paths.registry(repository).tarball(name, version)),
    ),
  );
  const users = new Map(
    plan.repositories.map(({ host, path, entries }) => [
      `${host}/${path}`.toLowerCase(),
      [...new Set(entries.map(({ lock }) => lock))].sort(),
    ]),
  );
  const registries = await listRegistries(paths);
  const repositories = await Promise.all(registries.map((registry) => registryStatus(registry, needed)));
  return {
    lastSync: (await readLastSync(paths))?.toISOString(),
    locks: known.map(({ name, entries }) => ({
      name,
      hex: entries.filter(({ kind }) => kind === "hex").length,
      git: entries.filter(({ kind }) => kind === "git").length,
    })),
    hex: {
      packages: sum(repositories.map(({ packages }) => packages)),
      releases: sum(repositories.map(({ releases }) => releases)),
      bytes: sum(repositories.map(({ bytes }) => bytes)),
    },
    repositories,
    git: await Promise.all(
      (await listRepositories(paths)).map(async ({ host, path, dir }) => ({
        url: `https://${host}/${path}`,
        bytes: await sizeOf(dir),
        shallow: await exists(join(dir, "shallow")),
        locks: users.get(`${host}/${path}`.toLowerCase()) ?? [],
      })),
    ),
    installers: await folderStatus(paths.installsDir),
    files: await folderStatus(paths.filesDir),
  };
}

async function registryStatus(registry: RegistryPaths, needed: ReadonlySet<string>) {
  const tarballs = await listTarballs(registry);
  const sizes = await Promise.all(tarballs.map(async ({ path }) => sizeOf(path)));
  return {
    name: registry.repository,
    packages: new Set(tarballs.map(({ name }) => name)).size,
    releases: tarballs.length,
    bytes: sum(sizes),
    unneeded: tarballs.filter(({ path }) => !needed.has(path)).length,
    docs: (await listDocs(registry)).length,
  };
}

async function folderStatus(folder: string): Promise<{ files: number; bytes: number }> {
  return { files: (await listFiles(folder)).length, bytes: await sizeOf(folder) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
