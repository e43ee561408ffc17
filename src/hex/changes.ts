/**
 * Upstream's record of a package, compared with the one before: time goes forward. A release that is gone, or has other
 * bytes, is either what hex.pm lets authors do for a while after publishing, or an older record in a newer one's place, or
 * somebody who holds upstream's key. Pure.
 */
import { hexDigits, isSameChecksum } from "./checksums.ts";
import type { Package, Release } from "./records.ts";

export interface KnownChecksum {
  readonly version: string;
  /** Outer, hex digits. */
  readonly checksum: string;
  /** The day on which it was first seen, `2026-11-25`. */
  readonly seen: string;
}

export interface ChangeInput {
  /** How people and options call it: `jason`, `hexpm:acme/secret` */
  readonly name: string;
  /** The record that is held, or what else tells of it; undefined: nothing. */
  readonly before: Package | undefined;
  /** Whether it is upstream's own, and tells all that there was. */
  readonly isHeld: boolean;
  readonly after: Package;
  readonly history: readonly KnownChecksum[];
  /** Whether this is hexpm, which takes nothing back after a day; elsewhere it is the owner's right. */
  readonly isHexpm: boolean;
  /** Versions that locks name, with the outer checksums that they demand. */
  readonly locked: ReadonlyMap<string, ReadonlySet<string>>;
  readonly accepted: { readonly lost: boolean; readonly replaced: ReadonlySet<string> };
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Changes {
  /** Why the record is not taken, and what to give to take it; undefined: it is taken. */
  readonly refused: string | undefined;
  /** What people should hear of, although it is taken. */
  readonly told: readonly string[];
  /** Versions that are no more, or are other bytes than before. */
  readonly lost: readonly string[];
  readonly replaced: readonly string[];
}

const day = 24 * 60 * 60 * 1000;

export function compareRecords(input: ChangeInput): Changes {
  const { after } = input;
  const { name } = input;
  const told: string[] = [];
  const problems: string[] = [];
  const lost: string[] = [];
  const replaced: string[] = [];

  const twice = after.releases.find(({ version }, index) => versionIndex(after, version) !== index);
  if (twice !== undefined) problems.push(`upstream's record of ${name} lists ${twice.version} twice`);

  for (const version of knownVersions(input)) {
    if (versionIndex(after, version) !== -1) continue;
    const isOld = input.isHexpm && knownAge(version, input) >= day;
    if (!input.accepted.lost && (input.locked.has(version) || isOld)) {
      const why = input.locked.has(version) ? "a lock names it" : "it is older than a day";
      problems.push(`upstream's record of ${name} lost ${version}, and ${why}; to take that, --accept-changed ${name}`);
    } else {
      lost.push(version);
      told.push(`upstream took back ${name} ${version}`);
    }
  }
  for (const release of after.releases) {
    const { version } = release;
    const old = earlierChecksums(release, input);
    if (old.length === 0) continue;
    const isLocked = old.some((checksum) => input.locked.get(version)?.has(checksum));
    const known = Math.max(knownAge(version, input), release.publishedAt === undefined ? 0 : age(release, input));
    if (!input.accepted.replaced.has(version) && (isLocked || known >= day)) {
      const why = isLocked ? "a lock names the one before" : "it is older than a day";
      problems.push(
        `upstream replaced ${name} ${version} by other bytes, and ${why}; to take them, --accept-changed ${name}@${version}`,
      );
    } else {
      replaced.push(version);
      told.push(`upstream replaced ${name} ${version} by other bytes`);
    }
  }
  told.push(...weakened(input));

  const refused = problems.length === 0 ? undefined : problems.join("; ");
  return { refused, told, lost, replaced };
}

function versionIndex({ releases }: Package, version: string): number {
  return releases.findIndex((release) => release.version === version);
}

/** Those that are known of this version; none when one of them is the release's own. */
function earlierChecksums(release: Release, { before, history }: ChangeInput): string[] {
  const { version } = release;
  const own = hexDigits(release.outerChecksum);
  const held = before?.releases.find((other) => other.version === version);
  // Registries of before 2019 have no outer ones.
  if (held !== undefined && held.outerChecksum.length === 0) {
    return isSameChecksum(held.innerChecksum, release.innerChecksum) ? [] : [hexDigits(held.innerChecksum)];
  }
  const known =
    held === undefined
      ? history.filter((line) => line.version === version).map(({ checksum }) => checksum)
      : [hexDigits(held.outerChecksum)];
  // One that upstream does not tell any more may stand for any bytes.
  return known.includes(own) ? [] : known;
}

/** What was listed before; where no record tells that, because somebody deleted it, what was seen here. */
function knownVersions({ before, isHeld, history }: ChangeInput): Set<string> {
  const held = before?.releases.map(({ version }) => version) ?? [];
  return new Set(isHeld ? held : [...held, ...history.map(({ version }) => version)]);
}

/** Warnings that upstream gave and gives no more. */
function weakened({ name, before, after }: ChangeInput): string[] {
  if (before === undefined) return [];
  const advisories = new Set(after.advisories.map(({ id }) => id));
  const gone = before.advisories
    .filter(({ id }) => !advisories.has(id))
    .map(({ id }) => `the advisory ${id} of ${name} is gone`);
  return [
    ...before.releases.flatMap((release) => {
      const { version } = release;
      const next = after.releases[versionIndex(after, version)];
      if (next === undefined) return [];
      const still = new Set(idsOf(next, after));
      return [
        ...(release.retired !== undefined && next.retired === undefined
          ? [`${name} ${version} is retired no more`]
          : []),
        ...idsOf(release, before)
          .filter((id) => !still.has(id) && advisories.has(id))
          .map((id) => `the advisory ${id} is about ${name} ${version} no more`),
      ];
    }),
    ...gone,
  ];
}

function idsOf({ advisoryIndexes }: Release, { advisories }: Package): string[] {
  return advisoryIndexes.map((index) => advisories[index]?.id).filter((id) => id !== undefined);
}

/** Milliseconds; without end where nothing tells of it. */
function knownAge(version: string, input: ChangeInput): number {
  const held = input.before?.releases.find((release) => release.version === version);
  return held === undefined ? sinceSeen(version, input) : age(held, input);
}

function age({ version, publishedAt }: Release, input: ChangeInput): number {
  return publishedAt === undefined ? sinceSeen(version, input) : input.now - Number(publishedAt.seconds) * 1000;
}

/** A day has no hour: what was first seen yesterday may be less than a day old, and is not taken for older. */
function sinceSeen(version: string, { history, now }: ChangeInput): number {
  const seen = history.filter((line) => line.version === version).map((line) => Date.parse(line.seen));
  const days = seen.filter((date) => date <= now).map((date) => date + day);
  return days.length === 0 ? Number.POSITIVE_INFINITY : now - Math.min(...days);
}
