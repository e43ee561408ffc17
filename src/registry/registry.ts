/**
 * Inventory → the payloads of a registry: which releases it lists and what it says of them. Pure; signing and writing
 * come after. The same input gives the same bytes.
 *
 * A release is upstream's own record where there is one, so that what `mix hex.registry build` loses (retirements,
 * advisories, publishing times, fields of tomorrow) survives; else it is built from the tarball's metadata.
 */
import { compareNames, compareVersions } from "../hex/names.ts";
import {
  createRelease,
  encodeNames,
  encodePackage,
  encodeVersions,
  type Package,
  type Release,
} from "../hex/records.ts";
import type { Metadata } from "../hex/metadata.ts";

export interface HeldRelease {
  readonly metadata: Omit<Metadata, "about">;
  /** SHA-256, 32 bytes each. */
  readonly innerChecksum: Uint8Array;
  readonly outerChecksum: Uint8Array;
}

export interface RegistryInput {
  /** The registry's name; clients check it. */
  readonly repository: string;
  /** What tarballs call this repository besides: those of hex.pm say `hexpm`, whatever the mirror's is called. */
  readonly alias?: string;
  readonly releases: readonly HeldRelease[];
  /** Upstream's records by package name, verified. */
  readonly upstream: ReadonlyMap<string, Package>;
  /** Packages of this repository that releases of others depend on optionally. */
  readonly optional?: Iterable<string>;
}

export interface Registry {
  /** Payloads, unsigned, by resource: `names`, `versions`, `packages/NAME`. */
  readonly resources: ReadonlyMap<string, Uint8Array>;
  /** Releases that differ from upstream's signed record, and are left out. */
  readonly corrupt: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
  /** What its releases depend on optionally in other repositories. */
  readonly optionalElsewhere: readonly { readonly repository: string; readonly package: string }[];
  readonly packages: number;
  readonly releases: number;
}

export function buildRegistry(input: RegistryInput): Registry {
  const { repository, releases, upstream } = input;
  const resources = new Map<string, Uint8Array>();
  const corrupt: { name: string; version: string; reason: string }[] = [];
  const names: { name: string; updatedAt?: NonNullable<Release["publishedAt"]> }[] = [];
  const versions: { name: string; versions: string[]; retired: number[]; withAdvisories: number[] }[] = [];
  const optional = new Set<string>(input.optional);
  const optionalElsewhere: { repository: string; package: string }[] = [];
  let count = 0;

  for (const [name, held] of groupByName(releases)) {
    const record = upstream.get(name);
    const entries: Release[] = [];
    for (const release of held) {
      const upstreamRelease = record?.releases.find(({ version }) => version === release.metadata.version);
      const reason = upstreamRelease === undefined ? undefined : difference(release, upstreamRelease);
      if (reason === undefined) entries.push(upstreamRelease ?? releaseFromMetadata(release, input));
      else corrupt.push({ name, version: release.metadata.version, reason });
    }
    if (entries.length === 0) continue;
    count += entries.length;
    // Advisories stay as a whole: releases refer to them by index.
    resources.set(
      `packages/${name}`,
      encodePackage({ name, repository, releases: entries, advisories: record?.advisories ?? [] }, record),
    );
    const updatedAt = newestPublication(entries);
    names.push(updatedAt === undefined ? { name } : { name, updatedAt });
    versions.push({
      name,
      versions: entries.map(({ version }) => version),
      retired: indexesWhere(entries, ({ retired }) => retired !== undefined),
      withAdvisories: indexesWhere(entries, ({ advisoryIndexes }) => advisoryIndexes.length > 0),
    });
    for (const entry of entries) {
      for (const dependency of entry.dependencies) {
        if (!dependency.optional) continue;
        if (dependency.repository === "") optional.add(dependency.package);
        else optionalElsewhere.push({ repository: dependency.repository, package: dependency.package });
      }
    }
  }

  // Clients ask for optional dependencies too, and print errors for what is not there: a record that lists no release
  // silences them, and names and versions do not mention it.
  for (const name of [...optional].sort(compareNames)) {
    const resource = `packages/${name}`;
    if (!resources.has(resource)) resources.set(resource, encodePackage({ name, repository, releases: [] }));
  }
  resources.set("names", encodeNames({ packages: names, repository }));
  resources.set("versions", encodeVersions({ packages: versions, repository }));
  return { resources, corrupt, optionalElsewhere, packages: names.length, releases: count };
}

function groupByName(releases: readonly HeldRelease[]): [string, HeldRelease[]][] {
  const groups = new Map<string, HeldRelease[]>();
  for (const release of releases) {
    const group = groups.get(release.metadata.name);
    if (group === undefined) groups.set(release.metadata.name, [release]);
    else group.push(release);
  }
  for (const group of groups.values()) {
    group.sort((a, b) => compareVersions(a.metadata.version, b.metadata.version));
  }
  return [...groups].sort(([a], [b]) => compareNames(a, b));
}

function difference(release: HeldRelease, record: Release): string | undefined {
  const outer = record.outerChecksum.length === 0 || isSame(release.outerChecksum, record.outerChecksum);
  return outer && isSame(release.innerChecksum, record.innerChecksum)
    ? undefined
    : "the tarball is not the one that upstream signed";
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function releaseFromMetadata(release: HeldRelease, { repository, alias }: RegistryInput): Release {
  const own = new Set([repository, alias]);
  return createRelease({
    version: release.metadata.version,
    innerChecksum: release.innerChecksum,
    outerChecksum: release.outerChecksum,
    dependencies: release.metadata.requirements.map((requirement) => ({
      package: requirement.package,
      requirement: requirement.requirement,
      optional: requirement.optional,
      app: requirement.app,
      ...(requirement.repository === undefined || own.has(requirement.repository)
        ? {}
        : { repository: requirement.repository }),
    })),
  });
}

function newestPublication(entries: readonly Release[]): Release["publishedAt"] {
  const times = entries.map((entry) => entry.publishedAt).filter((time) => time !== undefined);
  return times.sort((a, b) => Number(a.seconds - b.seconds) || a.nanos - b.nanos).at(-1);
}

function indexesWhere(entries: readonly Release[], holds: (entry: Release) => boolean): number[] {
  return entries.flatMap((entry, index) => (holds(entry) ? [index] : []));
}
