/**
 * The held releases of a package → its record, and what the lists say of it. Pure; signing and writing come after. The
 * same input gives the same bytes.
 *
 * A release is upstream's own record where there is one, so that what `mix hex.registry build` loses (retirements,
 * advisories, publishing times, fields of tomorrow) survives; else it is built from the tarball's metadata.
 */
import { isSameChecksum } from "../hex/checksums.ts";
import type { Metadata } from "../hex/metadata.ts";
import { compareVersions } from "../names/versions.ts";
import { createRelease, encodePackage, type Package, type Release } from "../hex/records.ts";
import type { Listing } from "./lists.ts";

export interface HeldRelease {
  readonly metadata: Omit<Metadata, "about">;
  /** SHA-256, 32 bytes each. */
  readonly innerChecksum: Uint8Array;
  readonly outerChecksum: Uint8Array;
  /** Where nothing upstream tells; undefined: nobody knows. */
  readonly publishedAt?: Date | undefined;
}

export interface RegistryNames {
  /** The registry's name; clients check it. */
  readonly repository: string;
  /** What tarballs call this repository besides: those of hex.pm say `hexpm`, whatever the mirror's is called. */
  readonly alias?: string | undefined;
  /** Which one a requirement is of that names none; absent: its package's own. */
  readonly usual?: ((dependency: string) => string) | undefined;
}

export interface PackageInput {
  readonly name: string;
  readonly releases: readonly HeldRelease[];
  /** What upstream, or whoever signed it before, tells of them. */
  readonly record: Package | undefined;
  /** Releases that are listed as they are. */
  readonly kept?: readonly Release[];
}

export interface OptionalDependency {
  /** Empty for the one that its package is of. */
  readonly repository: string;
  readonly package: string;
}

export interface PackageDescription {
  /** Unsigned. */
  readonly payload: Uint8Array;
  readonly listing: Listing;
  /** What its releases depend on optionally. */
  readonly optional: readonly OptionalDependency[];
  /** Releases that differ from upstream's signed record, and are left out. */
  readonly differing: readonly { readonly version: string; readonly reason: string }[];
}

export function describePackage(input: PackageInput, names: RegistryNames): PackageDescription {
  const { name, record } = input;
  const differing: { version: string; reason: string }[] = [];
  const entries: Release[] = [...(input.kept ?? [])];
  for (const release of input.releases) {
    const { version } = release.metadata;
    const upstreamRelease = record?.releases.find((each) => each.version === version);
    const reason = upstreamRelease === undefined ? undefined : difference(release, upstreamRelease);
    if (reason === undefined) entries.push(upstreamRelease ?? releaseFromMetadata(release, names));
    else differing.push({ version, reason });
  }
  entries.sort((a, b) => compareVersions(a.version, b.version));
  const releases = entries.map(({ version, retired, advisoryIndexes }) => ({
    version,
    isRetired: retired !== undefined,
    hasAdvisories: advisoryIndexes.length > 0,
  }));
  const dependencies = entries.flatMap((entry) => entry.dependencies).filter(({ optional }) => optional);
  // Advisories stay as a whole: releases refer to them by index.
  const content = { name, repository: names.repository, releases: entries, advisories: record?.advisories ?? [] };
  return {
    payload: encodePackage(content, record),
    listing: { updatedAt: newestPublication(entries), releases },
    optional: dependencies.map(({ repository, package: dependency }) => ({ repository, package: dependency })),
    differing,
  };
}

/**
 * A record that lists no release. Clients ask for optional dependencies too, and print errors for what is not there: it
 * silences them, and names and versions do not mention it.
 */
export function describeNothingOf(name: string, { repository }: RegistryNames): Uint8Array {
  return encodePackage({ name, repository, releases: [] });
}

function difference(release: HeldRelease, record: Release): string | undefined {
  const outer = record.outerChecksum.length === 0 || isSameChecksum(release.outerChecksum, record.outerChecksum);
  return outer && isSameChecksum(release.innerChecksum, record.innerChecksum)
    ? undefined
    : "the tarball is not the one that upstream signed";
}

function releaseFromMetadata(release: HeldRelease, { repository, alias, usual }: RegistryNames): Release {
  const own = new Set([repository, alias]);
  const { publishedAt } = release;
  const seconds = publishedAt === undefined ? undefined : BigInt(Math.floor(publishedAt.getTime() / 1000));
  return createRelease({
    version: release.metadata.version,
    innerChecksum: release.innerChecksum,
    outerChecksum: release.outerChecksum,
    ...(seconds === undefined ? {} : { publishedAt: { seconds, nanos: 0 } }),
    dependencies: release.metadata.requirements.map((requirement) => {
      const of = requirement.repository ?? usual?.(requirement.package);
      return {
        package: requirement.package,
        requirement: requirement.requirement,
        optional: requirement.optional,
        app: requirement.app,
        ...(of === undefined || own.has(of) ? {} : { repository: of }),
      };
    }),
  });
}

function newestPublication(entries: readonly Release[]): Release["publishedAt"] {
  const times = entries.map((entry) => entry.publishedAt).filter((time) => time !== undefined);
  return times.sort((a, b) => Number(a.seconds - b.seconds) || a.nanos - b.nanos).at(-1);
}
