/**
 * Inventory → the payloads of a registry: which releases it lists and what it says of them. Pure; signing and writing
 * come after. The same input gives the same bytes.
 *
 * A release is upstream's own record where there is one, so that what `mix hex.registry build` loses (retirements,
 * advisories, publishing times, fields of tomorrow) survives; else it is built from the tarball's metadata.
 */
import { isSameChecksum } from "../hex/checksums.ts";
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

export interface RegistryNames {
  /** The registry's name; clients check it. */
  readonly repository: string;
  /** What tarballs call this repository besides: those of hex.pm say `hexpm`, whatever the mirror's is called. */
  readonly alias?: string;
  /** Packages of this repository that releases of others depend on optionally. */
  readonly optional?: Iterable<string>;
}

export interface RegistryInput extends RegistryNames {
  readonly releases: readonly HeldRelease[];
  /** Upstream's records by package name, verified. */
  readonly upstream: ReadonlyMap<string, Package>;
}

export interface RegistrySummary {
  /** Releases that differ from upstream's signed record, and are left out. */
  readonly differing: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
  /** What its releases depend on optionally in other repositories. */
  readonly optionalElsewhere: readonly { readonly repository: string; readonly package: string }[];
  readonly packages: number;
  readonly releases: number;
}

export interface Registry extends RegistrySummary {
  /** Payloads, unsigned, by resource: `names`, `versions`, `packages/NAME`. */
  readonly resources: ReadonlyMap<string, Uint8Array>;
}

/** All at once, for a registry that fits into memory. */
export function buildRegistry(input: RegistryInput): Registry {
  const builder = new RegistryBuilder(input);
  const resources = new Map<string, Uint8Array>();
  for (const [name, held] of groupByName(input.releases)) {
    const payload = builder.add(name, held, { record: input.upstream.get(name) });
    if (payload !== undefined) resources.set(`packages/${name}`, payload);
  }
  for (const [resource, payload] of builder.finish()) resources.set(resource, payload);
  return { resources, ...builder.summary() };
}

/** A package at a time, in the order of their names: signing one need not wait until all are read. */
export class RegistryBuilder {
  private readonly own: RegistryNames;
  private readonly names: { name: string; updatedAt?: NonNullable<Release["publishedAt"]> }[] = [];
  private readonly versions: { name: string; versions: string[]; retired: number[]; withAdvisories: number[] }[] = [];
  private readonly optional: Set<string>;
  private readonly optionalElsewhere: { repository: string; package: string }[] = [];
  private readonly differing: { name: string; version: string; reason: string }[] = [];
  private releases = 0;

  constructor(own: RegistryNames) {
    this.own = own;
    this.optional = new Set(own.optional);
  }

  /**
   * @param record what is known of them @param kept entries of releases that are listed as they are
   * @returns the payload of `packages/NAME`; undefined when there is no release to list
   */
  add(
    name: string,
    releases: readonly HeldRelease[],
    { record, kept = [] }: { readonly record: Package | undefined; readonly kept?: readonly Release[] },
  ): Uint8Array | undefined {
    const { repository } = this.own;
    const entries: Release[] = [...kept];
    for (const release of releases.toSorted((a, b) => compareVersions(a.metadata.version, b.metadata.version))) {
      const upstreamRelease = record?.releases.find(({ version }) => version === release.metadata.version);
      const reason = upstreamRelease === undefined ? undefined : difference(release, upstreamRelease);
      if (reason === undefined) entries.push(upstreamRelease ?? releaseFromMetadata(release, this.own));
      else this.differing.push({ name, version: release.metadata.version, reason });
    }
    if (entries.length === 0) return undefined;
    entries.sort((a, b) => compareVersions(a.version, b.version));
    this.releases += entries.length;
    const updatedAt = newestPublication(entries);
    this.names.push(updatedAt === undefined ? { name } : { name, updatedAt });
    this.versions.push({
      name,
      versions: entries.map(({ version }) => version),
      retired: indexesWhere(entries, ({ retired }) => retired !== undefined),
      withAdvisories: indexesWhere(entries, ({ advisoryIndexes }) => advisoryIndexes.length > 0),
    });
    for (const dependency of entries.flatMap(({ dependencies }) => dependencies).filter(({ optional }) => optional)) {
      if (dependency.repository === "") this.optional.add(dependency.package);
      else this.optionalElsewhere.push({ repository: dependency.repository, package: dependency.package });
    }
    // Advisories stay as a whole: releases refer to them by index.
    return encodePackage({ name, repository, releases: entries, advisories: record?.advisories ?? [] }, record);
  }

  /** A package of which nothing is listed, although something lies there: its record says so. */
  addNothingOf(name: string): void {
    this.optional.add(name);
  }

  /** What can be told only when all packages are known, by resource. */
  finish(): Map<string, Uint8Array> {
    const { repository } = this.own;
    const resources = new Map<string, Uint8Array>();
    const listed = new Set(this.names.map(({ name }) => name));
    // Clients ask for optional dependencies too, and print errors for what is not there: a record that lists no release
    // silences them, and names and versions do not mention it.
    for (const name of [...this.optional].filter((each) => !listed.has(each)).sort(compareNames)) {
      resources.set(`packages/${name}`, encodePackage({ name, repository, releases: [] }));
    }
    resources.set("names", encodeNames({ packages: this.names, repository }));
    resources.set("versions", encodeVersions({ packages: this.versions, repository }));
    return resources;
  }

  summary(): RegistrySummary {
    const { differing, optionalElsewhere, releases } = this;
    return { differing, optionalElsewhere, packages: this.names.length, releases };
  }
}

function groupByName(releases: readonly HeldRelease[]): [string, HeldRelease[]][] {
  const groups = new Map<string, HeldRelease[]>();
  for (const release of releases) {
    const group = groups.get(release.metadata.name);
    if (group === undefined) groups.set(release.metadata.name, [release]);
    else group.push(release);
  }
  return [...groups].sort(([a], [b]) => compareNames(a, b));
}

function difference(release: HeldRelease, record: Release): string | undefined {
  const outer = record.outerChecksum.length === 0 || isSameChecksum(release.outerChecksum, record.outerChecksum);
  return outer && isSameChecksum(release.innerChecksum, record.innerChecksum)
    ? undefined
    : "the tarball is not the one that upstream signed";
}

function releaseFromMetadata(release: HeldRelease, { repository, alias }: RegistryNames): Release {
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
