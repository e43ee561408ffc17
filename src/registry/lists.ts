/**
 * What `names` and `versions` say, package by package: they are read, changed and written whole, and say the same whether
 * they were made at once or one package at a time. Pure.
 */
import { compareNames } from "../names/hex-names.ts";
import { compareVersions } from "../names/versions.ts";
import { decodeNames, decodeVersions, encodeNames, encodeVersions, type Release } from "../hex/records.ts";

export interface Listing {
  /** When its newest release was published, as far as upstream tells. */
  readonly updatedAt: Release["publishedAt"];
  /** By version, ascending. */
  readonly releases: readonly ListedRelease[];
}

export interface ListedRelease {
  readonly version: string;
  readonly isRetired: boolean;
  readonly hasAdvisories: boolean;
}

export interface EncodedLists {
  readonly names: Uint8Array;
  readonly versions: Uint8Array;
}

export class Lists {
  private readonly listings: Map<string, Listing>;

  constructor(listings: Iterable<readonly [string, Listing]> = []) {
    this.listings = new Map(listings);
  }

  /** @returns undefined for lists of another repository @throws MirrorError `malformed` */
  static decode({ names, versions }: EncodedLists, repository: string): Lists | undefined {
    const named = decodeNames(names);
    const versioned = decodeVersions(versions);
    if (named.repository !== repository || versioned.repository !== repository) return undefined;
    const times = new Map(named.packages.map(({ name, updatedAt }) => [name, updatedAt] as const));
    return new Lists(
      versioned.packages.map((each) => {
        const releases = each.versions.map((version, index) => ({
          version,
          isRetired: each.retired.includes(index),
          hasAdvisories: each.withAdvisories.includes(index),
        }));
        return [each.name, { updatedAt: times.get(each.name), releases }] as const;
      }),
    );
  }

  /** What both say of one package: of a release that both list, what the first says. */
  static unite(one: Listing | undefined, other: Listing | undefined): Listing | undefined {
    if (one === undefined || other === undefined) return one ?? other;
    const listed = new Set(one.releases.map(({ version }) => version));
    const added = other.releases.filter(({ version }) => !listed.has(version));
    if (added.length === 0) return one;
    const releases = [...one.releases, ...added].sort((a, b) => compareVersions(a.version, b.version));
    return { updatedAt: one.updatedAt, releases };
  }

  encode(repository: string): EncodedLists {
    const sorted = [...this.listings].sort(([a], [b]) => compareNames(a, b));
    const packages = sorted.map(([name, { updatedAt }]) => (updatedAt === undefined ? { name } : { name, updatedAt }));
    const versions = sorted.map(([name, { releases }]) => ({
      name,
      versions: releases.map(({ version }) => version),
      retired: indexesWhere(releases, ({ isRetired }) => isRetired),
      withAdvisories: indexesWhere(releases, ({ hasAdvisories }) => hasAdvisories),
    }));
    return {
      names: encodeNames({ packages, repository }),
      versions: encodeVersions({ packages: versions, repository }),
    };
  }

  copy(): Lists {
    return new Lists(this.listings);
  }

  get(name: string): Listing | undefined {
    return this.listings.get(name);
  }

  has(name: string): boolean {
    return this.listings.has(name);
  }

  /** @param listing undefined: the package is not listed */
  set(name: string, listing: Listing | undefined): void {
    if (listing === undefined || listing.releases.length === 0) this.listings.delete(name);
    else this.listings.set(name, listing);
  }

  /** With what both say of these packages, and of all others what this one says. */
  limitedTo(other: Lists, packages: Iterable<string>): Lists {
    const limited = new Lists(this.listings);
    for (const name of packages) {
      const known = new Set(other.get(name)?.releases.map(({ version }) => version));
      const listing = this.get(name);
      const releases = listing?.releases.filter(({ version }) => known.has(version)) ?? [];
      limited.set(name, { updatedAt: listing?.updatedAt, releases });
    }
    return limited;
  }

  names(): Iterable<string> {
    return this.listings.keys();
  }

  get packages(): number {
    return this.listings.size;
  }

  get releases(): number {
    return [...this.listings.values()].reduce((sum, { releases }) => sum + releases.length, 0);
  }
}

function indexesWhere(releases: readonly ListedRelease[], holds: (release: ListedRelease) => boolean): number[] {
  return releases.flatMap((release, index) => (holds(release) ? [index] : []));
}
