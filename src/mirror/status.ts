/** What the mirror holds, for which locks, how big it is, and how old. */
import { listFiles, sizeOf } from "../disk/walk.ts";
import type { Place } from "../disk/place.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { makePlan } from "../plan/plan.ts";
import { unservedReason } from "../git/inspect.ts";
import { foreignEntries } from "../store/foreign-entries.ts";
import { listDocs, listRegistries, listRepositories, listTarballs } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { readLastSync } from "../store/last-sync.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import type { Fingerprints } from "../serve/health-routes.ts";
import { describeForeign, requireMirror, type Context } from "./context.ts";
import { caFileOf, fingerprintsOf, lookAtUpstreams } from "./trust.ts";

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
  readonly fingerprints: Fingerprints;
  /** What is here and is not used, and why: links, and repositories that are not served. */
  readonly unused: readonly string[];
}

export interface HexStatus {
  readonly packages: number;
  readonly releases: number;
  readonly bytes: number;
}

export async function status(
  context: Context,
  gitEnvironments: () => Promise<Pick<GitEnvironments, "features">>,
): Promise<Status> {
  await requireMirror(context);
  const { paths, config } = context;
  const known = await readKnownLocks(paths);
  const plan = makePlan(known, { allowLocalGit: true });
  const needed = new Set(
    plan.packages.flatMap(({ repository, name, releases }) =>
      releases.map(({ version }) => paths.registry(repository).tarball(name, version).path),
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
    fingerprints: await fingerprintsOf(paths, caFileOf(config)),
    git: await Promise.all(
      (await listRepositories(paths)).map(async ({ host, path, place }) => ({
        url: `https://${host}/${path}`,
        bytes: await sizeOf(place),
        shallow: place.at("shallow").isFile(),
        locks: users.get(`${host}/${path}`.toLowerCase()) ?? [],
      })),
    ),
    installers: await folderStatus(paths.installsDir),
    files: await folderStatus(paths.filesDir),
    unused: [
      ...(await foreignEntries(paths)).map(describeForeign),
      ...(await lookAtUpstreams(paths)).problems,
      ...(await unservedRepositories(context, gitEnvironments)),
    ],
  };
}

/** Without git, nothing is known of what it can do; then none is served either. */
async function unservedRepositories(
  { paths }: Context,
  gitEnvironments: () => Promise<Pick<GitEnvironments, "features">>,
): Promise<string[]> {
  const repositories = await listRepositories(paths);
  if (repositories.length === 0) return [];
  const { features } = await gitEnvironments().catch(() => ({ features: { reftable: false } }));
  return repositories.flatMap(({ place }) => {
    const reason = unservedReason(place, features);
    return reason === undefined ? [] : [`${place.path} is not served, since ${reason}`];
  });
}

async function registryStatus(registry: RegistryPaths, needed: ReadonlySet<string>) {
  const tarballs = await listTarballs(registry);
  const sizes = await Promise.all(tarballs.map(async ({ place }) => (place.isFile() ? sizeOf(place) : 0)));
  return {
    name: registry.repository,
    packages: new Set(tarballs.map(({ name }) => name)).size,
    releases: tarballs.length,
    bytes: sum(sizes),
    unneeded: tarballs.filter(({ place }) => !needed.has(place.path)).length,
    docs: (await listDocs(registry)).length,
  };
}

async function folderStatus(folder: Place): Promise<{ files: number; bytes: number }> {
  return { files: (await listFiles(folder)).length, bytes: await sizeOf(folder) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
