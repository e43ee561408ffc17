/**
 * Takes upstream's record of a package in the place of the one that is held, or refuses it: what upstream took back or
 * replaced goes from the registry, and is put aside; what is new is written down. docs/decisions/0011-trust.md
 */
import { compareRecords, type Changes } from "../hex/changes.ts";
import { hexDigits } from "../hex/checksums.ts";
import { fingerprint } from "../hex/keys.ts";
import type { Package } from "../hex/records.ts";
import { hexpm, shownPackage } from "../names/hex-repository.ts";
import { MirrorError } from "../errors.ts";
import { readHistory, writeHistory, type HistoryLine } from "../store/history.ts";
import { quarantine } from "../store/quarantine.ts";
import { parseTarballName, type RegistryPaths } from "../store/registry-paths.ts";
import type { Place } from "../disk/place.ts";
import { publishedKey } from "../store/published-key.ts";
import type { AcceptedChange } from "../options.ts";
import { isPackageOf, readSignedRecord } from "../registry/adoption.ts";
import type { StorePaths } from "../store/paths.ts";
import type { HexSource } from "./hex-sources.ts";
import type { Reporter } from "../reporter.ts";

export interface NewRecord {
  readonly before: Package | undefined;
  readonly after: Package;
}

export interface TakeTools {
  readonly paths: StorePaths;
  readonly reporter: Reporter;
  readonly acceptChanged: readonly AcceptedChange[];
  /** Signs the registry as if these tarballs were gone, then makes them go; meanwhile nobody signs them again. */
  readonly withdraw: (tarballs: readonly Place[], remove: () => Promise<void>) => Promise<void>;
  /** By version of this package, the outer checksums that locks demand by now. */
  readonly locked: () => Promise<ReadonlyMap<string, ReadonlySet<string>>>;
}

export interface Judged {
  readonly changes: Changes;
  readonly history: readonly HistoryLine[];
  /** Whether nothing was known of the package. */
  readonly isFirst: boolean;
}

/** @throws MirrorError `integrity` saying why a record is not taken, and how it would be */
export async function judgeRecord(
  source: Pick<HexSource, "paths">,
  { before, after }: NewRecord,
  { paths, acceptChanged, locked }: Pick<TakeTools, "paths" | "acceptChanged" | "locked">,
): Promise<Judged> {
  const registry = source.paths;
  const { name } = after;
  const { repository } = registry;
  const history = await readHistory(registry.history(name));
  const accepted = acceptChanged.filter((each) => isPackageOf(each, repository, name));
  const earlier = before ?? (await signedBefore(paths, registry, { name, history }));
  const isFirst = earlier === undefined && history.length === 0;
  const changes = compareRecords({
    name: shownPackage(repository, name),
    before: earlier,
    isHeld: before !== undefined,
    after,
    history,
    isHexpm: repository === hexpm,
    locked: isFirst ? new Map() : await locked(),
    accepted: {
      lost: accepted.some(({ version }) => version === undefined),
      replaced: new Set(accepted.map(({ version }) => version).filter((version) => version !== undefined)),
    },
    now: Date.now(),
  });
  if (changes.refused !== undefined) {
    throw new MirrorError("integrity", `${changes.refused}; what is held stays as it is`);
  }
  return { changes, history, isFirst };
}

/** Before the record itself is written. @throws MirrorError likewise */
export async function takeRecord(
  source: Pick<HexSource, "paths" | "upstream">,
  record: NewRecord,
  tools: TakeTools,
): Promise<void> {
  const { paths, reporter, withdraw } = tools;
  const registry = source.paths;
  const { name } = record.after;
  const { repository } = registry;
  const { changes, history } = await judgeRecord(source, record, tools);
  for (const text of changes.told) reporter.note(text);
  const gone = [...changes.lost, ...changes.replaced].map((version) => registry.tarball(name, version));
  const held = gone.filter((tarball) => tarball.isFile());
  const putAway = async () => {
    for (const tarball of held) {
      const version = parseTarballName(tarball.name)?.version ?? "";
      const path = await quarantine(paths, tarball);
      reporter.note(`${shownPackage(repository, name)} ${version}, as it was, lies in ${path} now`);
    }
  };
  // Our registry forgets them first: what is listed is there.
  if (held.length > 0) await withdraw(held, putAway);
  await extendHistory(source, record, { history, replaced: changes.replaced });
}

/** Releases that no line speaks of. */
function unknownTo(history: readonly HistoryLine[], { releases }: Package): Package["releases"] {
  const known = new Set(history.map(({ version, checksum }) => `${version} ${checksum}`));
  return releases.filter((release) => release.outerChecksum.length > 0 && !known.has(checksumOf(release)));
}

/**
 * Upstream's record may have been deleted, and with it what it warned of: our own signed one still tells that, of the
 * releases that are upstream's.
 */
async function signedBefore(
  paths: StorePaths,
  registry: RegistryPaths,
  { name, history }: { readonly name: string; readonly history: readonly HistoryLine[] },
): Promise<Package | undefined> {
  if (!registry.resource(`packages/${name}`).isFile()) return undefined;
  const key = await publishedKey(paths).catch(() => undefined);
  const own = key === undefined ? undefined : (await readSignedRecord(registry, name, [key]))?.record;
  if (own === undefined) return undefined;
  const known = new Set(history.map(({ version, checksum }) => `${version} ${checksum}`));
  return { ...own, releases: own.releases.filter((release) => known.has(checksumOf(release))) };
}

/** What the record of before tells was known by then; all else is seen today. */
async function extendHistory(
  { paths, upstream }: Pick<HexSource, "paths" | "upstream">,
  { before, after }: NewRecord,
  { history, replaced }: { readonly history: readonly HistoryLine[]; readonly replaced: readonly string[] },
): Promise<void> {
  const key = fingerprint(upstream.publicKey);
  const today = dayOf(Date.now());
  const held = new Set(before?.releases.map(checksumOf));
  const heldSince = dayOf(paths.upstreamPackage(after.name).look()?.mtimeMs ?? Date.now());
  const known = history.filter(({ version }) => !replaced.includes(version));
  const added = unknownTo(known, after).map((release) => ({
    version: release.version,
    checksum: hexDigits(release.outerChecksum),
    key,
    seen: held.has(checksumOf(release)) ? heldSince : today,
  }));
  if (added.length > 0) await writeHistory(paths.history(after.name), [...known, ...added]);
}

function checksumOf({ version, outerChecksum }: Package["releases"][number]): string {
  return `${version} ${hexDigits(outerChecksum)}`;
}

/** `2026-11-25`, in UTC. */
function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
