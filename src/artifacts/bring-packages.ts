/**
 * Upstream's record of each package, then its tarballs. One that fails does not stop the others; the record decides what a
 * tarball has to be, and every lock has a say.
 */
import type { Place } from "../disk/place.ts";
import { MirrorError, describeError } from "../errors.ts";
import { fetchTarball } from "../upstream/hex.ts";
import { isSameChecksum } from "../hex/checksums.ts";
import { readExpectedTarball } from "../hex/check.ts";
import type { Release } from "../hex/records.ts";
import { isPackageName } from "../names/hex-names.ts";
import { lazyBy } from "../lazy.ts";
import { packageJobs, type Demand, type PackageJob } from "../plan/packages.ts";
import type { Bringing, BringTools } from "./artifact.ts";
import type { HexSource } from "./hex-sources.ts";
import { releaseItem } from "../names/item.ts";
import { landFile } from "./land-file.ts";
import { readHeld, refreshRecord, type HeldRecord } from "./refresh-record.ts";
import { transferOf, type Outcome } from "../reporter.ts";
import type { OwnNames } from "../registry/own-names.ts";
import { isLocal } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import type { TakeTools } from "./take-record.ts";

type Tools = BringTools & Pick<TakeTools, "paths" | "acceptChanged" | "withdraw"> & { readonly ownNames: OwnNames };

/** @throws MirrorError `config` */
export async function bringPackages(jobs: readonly PackageJob[], tools: Tools): Promise<Bringing<PackageJob>> {
  for (const repository of new Set(jobs.map((job) => job.repository))) {
    // One that is refused fails its own packages.
    await tools.hex.open(repository).catch((error: unknown) => {
      if (!(error instanceof MirrorError) || error.code !== "refused") throw error;
    });
  }
  const planOf = lazyBy((known: Awaited<ReturnType<BringTools["known"]>>) => packageJobs(known));
  const locked = async ({ repository, name }: PackageJob) => {
    const known = planOf(await tools.known());
    return lockedChecksums(known.find((each) => each.repository === repository && each.name === name));
  };
  const named = new Set(jobs.map(({ repository, name }) => `${repository}/${name}`));
  const isNew = (repository: string, name: string) => {
    const size = named.size;
    return named.add(`${repository}/${name}`).size > size;
  };
  /** Clients ask for the records of optional dependencies, too, and print errors for those that are not there. */
  const bringOptional = async (job: PackageJob, source: HexSource, { record }: HeldRecord): Promise<void> => {
    const { repository } = job;
    const versions = new Set(job.releases.map(({ version }) => version));
    const all = record.releases.filter(({ version }) => versions.has(version)).flatMap((each) => each.dependencies);
    const optional = all.filter((each) => each.optional && each.repository === "");
    for (const { package: name } of optional) {
      if (tools.signal.aborted || !isPackageName(name) || !isNew(repository, name)) continue;
      if ((await tools.ownNames(source.paths, name)) !== undefined) continue;
      const taking = { ...tools, locked: async () => locked({ repository, name, releases: [] }) };
      await refreshRecord(name, source, taking).catch((error: unknown) => {
        // Upstream need not have it, and nothing that is locked needs it.
        if (error instanceof MirrorError && error.code === "not_found") return;
        tools.reporter.note(`could not be fetched: ${describeError(error)}`, { kind: "record", repository, name });
      });
    }
  };
  return {
    bring: async function* (job) {
      let source: HexSource;
      let held: HeldRecord;
      try {
        const registry = tools.paths.registry(job.repository);
        const opened = isLocal(tools.paths, job.repository) ? undefined : await tools.hex.open(job.repository);
        const why = await tools.ownNames(registry, job.name);
        if (why !== undefined || opened === undefined) {
          yield* ownReleases(job, registry, why ?? "its repository is");
          return;
        }
        source = opened;
        held = await refreshRecord(job.name, source, { ...tools, locked: async () => locked(job) });
      } catch (error) {
        for (const { version } of job.releases) yield { item: releaseItem(job, version), error };
        return;
      }
      for (const { version, demands: own } of job.releases) {
        if (tools.signal.aborted) return;
        yield await bringRelease(job, { version, demands: own }, { source, held, tools });
      }
      await bringOptional(job, source, held);
    },
    finish: async () => [],
  };
}

/** Of a package that is this mirror's own: upstream is not asked for it. */
function* ownReleases(
  { repository, name, releases }: PackageJob,
  registry: RegistryPaths,
  why: string,
): Iterable<Outcome> {
  for (const { version } of releases) {
    const item = releaseItem({ repository, name }, version);
    if (registry.tarball(name, version).isFile()) yield { item, outcome: "unchanged", bytes: 0 };
    else yield { item, error: new MirrorError("refused", `${name} is this mirror's own package: ${why}`) };
  }
}

/** By version, the outer checksums that locks demand. */
export function lockedChecksums(job: PackageJob | undefined): Map<string, Set<string>> {
  const checksums = (of: readonly Demand[]) =>
    of.map(({ outerChecksum }) => outerChecksum).filter((each) => each !== undefined);
  return new Map((job?.releases ?? []).map(({ version, demands }) => [version, new Set(checksums(demands))]));
}

export interface Running {
  readonly source: HexSource;
  /** Upstream's record, as it was taken. */
  readonly held: HeldRecord;
  readonly tools: Pick<BringTools, "http" | "reporter" | "signal" | "land">;
}

/** Its tarball. Whatever goes wrong is in the outcome. */
async function bringRelease(
  job: PackageJob,
  { version, demands }: PackageJob["releases"][number],
  running: Running,
): Promise<Outcome> {
  const { source, held, tools } = running;
  const item = releaseItem(job, version);
  try {
    const release = held.record.releases.find((candidate) => candidate.version === version);
    if (release === undefined) {
      throw new MirrorError("not_found", `upstream's record of ${job.name} lists no version ${version}`);
    }
    const file = source.paths.tarball(job.name, version);
    if (await isHeld(file, job.name, release, demands)) return { item, outcome: "unchanged", bytes: 0 };
    const wanted = { name: job.name, record: release, demands };
    const bytes = await fetchTarball(tools.http, source.upstream, wanted, transferOf(tools));
    await landTarball(job, release, bytes, running);
    return { item, outcome: "added", bytes: bytes.length };
  } catch (error) {
    return { item, error };
  }
}

/** @param bytes verified against the release, as the record has it */
export async function landTarball(
  job: Pick<PackageJob, "repository" | "name">,
  release: Release,
  bytes: Buffer,
  running: Running,
): Promise<void> {
  const file = running.source.paths.tarball(job.name, release.version);
  const check = async () => requireRelease(job.name, release, running);
  await landFile(running.tools.land, file, bytes, { check, unsigned: { repository: job.repository, name: job.name } });
}

/** A tarball lands only while upstream's record says what it said when it was asked for. @throws MirrorError */
async function requireRelease(name: string, release: Release, { source, held }: Running): Promise<void> {
  const record = await readHeld(source.paths.upstreamPackage(name), name, source.upstream, held);
  const now = record?.record.releases.find(({ version }) => version === release.version);
  if (now === undefined || !isSame(now, release)) {
    throw new MirrorError("busy", "another process has taken another record of it meanwhile; sync again");
  }
}

function isSame(one: Release, other: Release): boolean {
  return (
    isSameChecksum(one.outerChecksum, other.outerChecksum) && isSameChecksum(one.innerChecksum, other.innerChecksum)
  );
}

/** @throws MirrorError `storage`: what stands in its place and cannot be replaced is told before it is fetched */
async function isHeld(file: Place, name: string, release: Release, demands: readonly Demand[]): Promise<boolean> {
  if (file.look()?.isFile() !== true) return false;
  try {
    readExpectedTarball((await file.read()) ?? Buffer.alloc(0), name, release, demands);
    return true;
  } catch {
    return false;
  }
}
