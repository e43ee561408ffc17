/**
 * The packages of every Hex repository that locks name. Of each package upstream's record is refreshed, then each tarball
 * fetched that is missing or not the one it should be. What clients are told of them is signed anew afterwards
 * (registry/), and taken back before anything goes. What reads records is loaded only where it is needed: protobuf is large.
 */
import type { KeyObject } from "node:crypto";
import { isPackageName } from "../names/hex-names.ts";
import { hexpm } from "../names/hex-repository.ts";
import { lazy } from "../lazy.ts";
import type { AcceptedChange } from "../options.ts";
import { packageJobs, type PackageJob } from "../plan/packages.ts";
import { listAdded, readAdded } from "../store/added.ts";
import { listRegistries, listTarballs, listSigned } from "../store/inventory.ts";
import { publishedKey } from "../store/published-key.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { forgetValidators } from "../store/validators.ts";
import type { Artifact, Held } from "./artifact.ts";
import { releaseItem } from "../names/item.ts";
import { removeAll } from "./remove.ts";
import type { OwnNamesSettings } from "../registry/own-names.ts";
import type { TakeTools } from "./take-record.ts";

export interface PackageTools {
  /** Releases that upstream may have taken back or replaced. */
  readonly acceptChanged: readonly AcceptedChange[];
  /** The key of upstream's records that are held. @throws MirrorError `config` */
  readonly recordsKey: (repository: string) => Promise<KeyObject>;
  /** Signs the registries as if these places were gone, then makes them go. For the only writer. */
  readonly withdraw: TakeTools["withdraw"];
  /** Which names are never asked of upstream. */
  readonly names: OwnNamesSettings;
}

export function createPackages(
  paths: StorePaths,
  { acceptChanged, recordsKey, withdraw, names }: PackageTools,
): Artifact<PackageJob> {
  // One that cannot be read is as good as none: no record can then be taken for intact.
  const registryKey = lazy(async () => publishedKey(paths).catch(() => undefined));
  const damageOf = lazy(async () => {
    const { createDamage } = await import("./with-records.ts");
    return createDamage(paths, { recordsKey, registryKey });
  });
  return {
    name: "packages",
    weight: 1,
    wanted: async ({ locks }) => ({ jobs: packageJobs(locks), refused: [] }),
    items: (job) => {
      const registry = paths.registry(job.repository);
      const shared = [registry.upstreamPackage(job.name).path, registry.dir.path];
      return job.releases.map(({ version, demands }) => ({
        item: releaseItem(job, version),
        keys: [registry.tarball(job.name, version).path, ...shared],
        locks: demands.map(({ lock }) => lock),
      }));
    },
    has: async (job) => {
      const registry = paths.registry(job.repository);
      const isSigned = registry.resource(`packages/${job.name}`).isFile();
      return job.releases.map(({ version }) => ({
        item: releaseItem(job, version),
        isHeld: isSigned && registry.tarball(job.name, version).isFile(),
      }));
    },
    bringing: async (jobs, tools) => {
      const { bringPackages, createOwnNames } = await import("./with-records.ts");
      return bringPackages(jobs, { ...tools, paths, acceptChanged, withdraw, ownNames: createOwnNames(paths, names) });
    },
    check: async function* (job) {
      const { checkPackage } = await import("./with-records.ts");
      yield* checkPackage(paths.registry(job.repository), job, await registryKey());
    },
    list: async () => (await Promise.all((await listRegistries(paths)).map(listHeld))).flat(),
    damageOf: async (held) => (await damageOf())(held),
    remove: async (held) => {
      const whole = held.flatMap(({ item }) => (item.kind === "registry" ? [paths.registry(item.repository).dir] : []));
      const doomed = [...held.flatMap(({ places }) => places), ...whole];
      await withdraw(doomed, async () => removeAll(held, [paths.reposDir, paths.upstreamDir]));
      for (const registry of await listRegistries(paths)) await forgetValidators(registry);
    },
  };
}

const addedHere = 'it was added here, and may be nowhere else; "mirror-server remove" takes it out';

async function addedReleases(registry: RegistryPaths): Promise<ReadonlySet<string>> {
  const lines = (await listAdded(registry)).map(async (name) =>
    (await readAdded(registry.added(name))).map(({ version }) => `${name} ${version}`),
  );
  return new Set((await Promise.all(lines)).flat());
}

/** In the order in which they may go: what is listed, what it is checked against, what it lists. */
async function listHeld(registry: RegistryPaths): Promise<Held[]> {
  const { repository, dir, upstreamPackagesDir } = registry;
  const tarballs = await listTarballs(registry);
  const added = await addedReleases(registry);
  const withTarballs = new Set(tarballs.map(({ name }) => name));
  // A record of ours without a tarball is there because what is held depends on it optionally, and upstream's goes with it.
  const isOptional = (name: string) => !withTarballs.has(name) && registry.resource(`packages/${name}`).isFile();
  const records = (await upstreamPackagesDir.list("file")).filter((name) => isPackageName(name) && !isOptional(name));
  // What was made by hand, and the public one, stay, however empty.
  const isWhole = repository !== hexpm && upstreamPackagesDir.isFolder();
  const whole: Held = { item: { kind: "registry", repository }, key: dir.path, places: await listSigned(registry) };
  return [
    ...(isWhole ? [whole] : []),
    ...records.map((name): Held => {
      const place = registry.upstreamPackage(name);
      return { item: { kind: "record", repository, name }, key: place.path, places: [place] };
    }),
    ...tarballs.map(({ name, version, place }): Held => ({
      item: releaseItem({ repository, name }, version),
      key: place.path,
      places: [place],
      needs: [registry.upstreamPackage(name).path, dir.path],
      ...(added.has(`${name} ${version}`) ? { spared: addedHere } : {}),
    })),
  ];
}
