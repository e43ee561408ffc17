/** The packages that a mirror holds, as people see them: from its signed records, its tarballs and the known locks. */
import { writtenAt } from "../disk/stamp.ts";
import type { About } from "../hex/metadata.ts";
import type { Package, Release } from "../hex/records.ts";
import { publishedAt, retirementOf } from "../hex/release-details.ts";
import type { SeenRegistry } from "../health/overlook.ts";
import type { HexEntry, Lock } from "../lock/entries.ts";
import { sourceOf } from "../names/hex-repository.ts";
import { compareVersions } from "../names/versions.ts";
import { readHistory } from "../store/history.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Trust } from "../store/trust.ts";
import { aboutOf, nothing } from "./about.ts";
import { familyOf, noFamily, waysTo, type Family } from "./family.ts";
import type { HeldPackage, HeldRelease, PackageDetail } from "./shape.ts";

export interface PackageSources {
  readonly paths: StorePaths;
  readonly registries: readonly SeenRegistry[];
  readonly locks: readonly Lock[];
  /** Of each lock, by its name. */
  readonly families: ReadonlyMap<string, NamedFamily>;
  /** Files of the registry that are known to be damaged, as clients ask for them. */
  readonly isDamaged: (repository: string, file: string) => boolean;
}

export interface NamedFamily extends Family {
  /** Of each package, by `REPOSITORY/NAME`: the apps that need it themselves. */
  readonly through: ReadonlyMap<string, readonly string[]>;
}

/** Who needs whom in each lock, as the records here say. */
export async function familiesOf(
  locks: readonly Lock[],
  registries: readonly SeenRegistry[],
): Promise<Map<string, NamedFamily>> {
  const records = new Map(registries.map(({ repository, records: found }) => [repository, found]));
  const needsOf = async ({ repository, name, version }: HexEntry) => {
    const release = records
      .get(repository)
      ?.get(name)
      ?.releases.find((each) => each.version === version);
    return release?.dependencies.flatMap(({ package: needed, app }) => (app ? [needed, app] : [needed]));
  };
  const families = locks.map(async ({ name, entries }) => {
    const wanting = entries.filter((entry) => entry.kind !== "skipped");
    const family = await familyOf(wanting, needsOf);
    const through = [...family.parents].flatMap(([entry, parents]) =>
      entry.kind === "hex" ? [[`${entry.repository}/${entry.name}`, parents.map(({ app }) => app)] as const] : [],
    );
    return [name, { ...family, through: new Map(through) }] as const;
  });
  return new Map(await Promise.all(families));
}

/** By repository and name. */
export async function listPackages(sources: PackageSources): Promise<HeldPackage[]> {
  const wanted = wantedReleases(sources.locks);
  const all = sources.registries.map(async (registry) => {
    const packages = [...registry.records.values()].filter(({ releases }) => releases.length > 0);
    return Promise.all(packages.map(async (record) => (await describe(sources, registry, record, wanted)).held));
  });
  return (await Promise.all(all)).flat();
}

/** undefined: it is not held. */
export async function describePackage(
  sources: PackageSources,
  repository: string,
  name: string,
  trust: Trust,
): Promise<PackageDetail | undefined> {
  const registry = sources.registries.find((each) => each.repository === repository);
  const record = registry?.records.get(name);
  if (registry === undefined || record === undefined) return undefined;
  const { held, about } = await describe(sources, registry, record, wantedReleases(sources.locks));
  const paths = sources.paths.registry(repository);
  const signed = paths.upstreamPackage(name);
  const upstream = trust.fingerprints.upstreams[sourceOf(repository)];
  const isHeld = (other: string, dependency: string) =>
    sources.registries.some(
      (each) => each.repository === other && (each.records.get(dependency)?.releases.length ?? 0) > 0,
    );
  return {
    ...held,
    links: { ...about.links },
    details: await Promise.all(
      newestFirst(record).map(async (release) => {
        const place = paths.tarball(name, release.version);
        const own = await aboutOf(place, registry.tarballs.get(place.name));
        return {
          version: release.version,
          inner_checksum: Buffer.from(release.innerChecksum).toString("hex"),
          outer_checksum:
            release.outerChecksum.length === 0 ? null : Buffer.from(release.outerChecksum).toString("hex"),
          requirements: release.dependencies.map(({ package: needed, requirement, optional, repository: of }) => {
            const from = of === "" || of === record.repository ? repository : of;
            return {
              package: needed,
              repository: from,
              requirement,
              is_optional: optional,
              is_held: isHeld(from, needed),
            };
          }),
          elixir: own.elixir ?? null,
          build_tools: [...own.buildTools],
        };
      }),
    ),
    ways: sources.locks.flatMap(({ name: lock, entries }) => {
      const found = entries.filter(
        (entry) => entry.kind === "hex" && entry.repository === repository && entry.name === name,
      );
      const { parents } = sources.families.get(lock) ?? noFamily;
      const ways = found.flatMap((entry) => (entry.kind === "hex" ? waysTo(entry, parents) : []));
      return found.length === 0 ? [] : [{ lock, ways }];
    }),
    upstream: signed.isFile()
      ? {
          url: upstream?.url ?? null,
          key: upstream?.key ?? null,
          checked: writtenAt(signed.look()) ?? null,
        }
      : null,
    history: await readHistory(paths.history(name)),
  };
}

/** By `REPOSITORY/NAME@VERSION`, the locks that name it. */
function wantedReleases(locks: readonly Lock[]): Map<string, Set<string>> {
  const wanted = new Map<string, Set<string>>();
  for (const { name: lock, entries } of locks) {
    for (const entry of entries) {
      if (entry.kind !== "hex") continue;
      const key = `${entry.repository}/${entry.name}@${entry.version}`;
      wanted.set(key, (wanted.get(key) ?? new Set()).add(lock));
    }
  }
  return wanted;
}

async function describe(
  sources: PackageSources,
  { repository, tarballs }: SeenRegistry,
  record: Package,
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<{ readonly held: HeldPackage; readonly about: About }> {
  const { name } = record;
  const paths = sources.paths.registry(repository);
  const releases = newestFirst(record).map((release): HeldRelease => {
    const file = `${name}-${release.version}.tar`;
    return {
      version: release.version,
      bytes: tarballs.get(file)?.size ?? null,
      is_damaged: sources.isDamaged(repository, `tarballs/${file}`),
      retired: retirementOf(release),
      advisories: release.advisoryIndexes.flatMap((index) => {
        const advisory = record.advisories[index];
        return advisory === undefined
          ? []
          : [{ id: advisory.id, summary: advisory.summary, url: webUrl(advisory.htmlUrl) }];
      }),
      locks: [...(wanted.get(`${repository}/${name}@${release.version}`) ?? [])],
      has_docs: paths.docs(name, release.version).isFile(),
      published: publishedAt(release),
    };
  });
  const newest = releases.find(({ bytes }) => bytes !== null);
  const file = newest === undefined ? undefined : paths.tarball(name, newest.version);
  const about = file === undefined ? nothing : await aboutOf(file, tarballs.get(file.name));
  const locks = [...new Set(releases.flatMap((release) => release.locks))];
  return {
    about: about,
    held: {
      repository,
      name,
      description: about.description ?? null,
      licenses: [...about.licenses],
      bytes: releases.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
      releases,
      wanted_by: locks.map((lock) => ({
        lock,
        through: [...(sources.families.get(lock)?.through.get(`${repository}/${name}`) ?? [])],
      })),
    },
  };
}

/** Whatever else a record may name is no link for a browser. */
function webUrl(url: string): string | null {
  return /^https?:\/\//.test(url) ? url : null;
}

function newestFirst({ releases }: Package): Release[] {
  return [...releases].sort((a, b) => compareVersions(b.version, a.version));
}
