/**
 * The packages of every Hex repository that the locks name. Of each package, upstream's record is refreshed, then each
 * tarball fetched that is missing or not the one it should be.
 */
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { fetchDocs, fetchRecord, fetchTarball, verifyRecord, type HexUpstream } from "../fetch/hex.ts";
import type { HttpClient } from "../fetch/http.ts";
import { readExpectedTarball } from "../hex/check.ts";
import type { Package, Release } from "../hex/records.ts";
import { hexpm, servedName, shownPackage } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { makePlan, type Demand, type PackageJob } from "../plan/plan.ts";
import { listRegistries } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { readValidators, writeValidators, type Validators } from "../store/validators.ts";
import { transferOf, type Context } from "./context.ts";
import { takeRecord, type RecordRegistry } from "./take-record.ts";
import { recordUpstream } from "./trust.ts";

export interface PackageTools {
  readonly http: HttpClient;
  /** Every lock that the mirror knows, those being synced included: what they name is not given up. */
  readonly known: readonly Lock[];
  /** By repository; for each that a job names. */
  readonly upstreams: ReadonlyMap<string, HexUpstream | MirrorError>;
}

interface Registry {
  readonly paths: RegistryPaths;
  readonly upstream: HexUpstream;
  readonly http: HttpClient;
  readonly validators: Validators;
  readonly locked: RecordRegistry["locked"];
  /** Called when a record proved to be signed by upstream's key. */
  readonly onVerified: () => void;
}

/** Reports each release by itself: one that fails does not stop the others. */
export async function syncPackages(
  context: Context,
  jobs: readonly PackageJob[],
  { http, upstreams, known }: PackageTools,
): Promise<void> {
  const { paths, config, reporter } = context;
  const limit = pLimit(config.concurrency);
  const demands = makePlan(known, config).packages;
  const places = new Map<string | undefined, string>();
  for (const { repository, upstreamDir } of await listRegistries(paths)) {
    // Only upstream's records tell whose a folder is; one that was made by hand is there to be adopted.
    if (upstreamDir.isFolder()) places.set(servedName(repository), repository);
  }
  for (const [repository, upstream] of upstreams) {
    const own = jobs.filter((job) => job.repository === repository);
    try {
      // Both would be served at /repos/NAME, and one signed name would stand for two repositories.
      const other = places.get(servedName(repository)) ?? repository;
      if (other !== repository) {
        const place = `/repos/${servedName(repository) ?? ""}`;
        throw new MirrorError("refused", `${place} of this mirror is "${other}" and cannot be "${repository}" too`);
      }
      places.set(servedName(repository), repository);
      if (upstream instanceof MirrorError) throw upstream;
      const locked = (name: string) => lockedVersions(demands, repository, name);
      await syncRegistry(context, own, { repository, upstream, http, limit, locked });
    } catch (error) {
      for (const { name, releases } of own)
        for (const { version } of releases) reporter.failed(`${shownPackage(repository, name)} ${version}`, error);
    }
  }
}

/** By version, the outer checksums that locks demand. */
function lockedVersions(demands: readonly PackageJob[], repository: string, name: string): Map<string, Set<string>> {
  const job = demands.find((each) => each.repository === repository && each.name === name);
  const checksums = (of: readonly Demand[]) =>
    of.map(({ outerChecksum }) => outerChecksum).filter((each) => each !== undefined);
  return new Map((job?.releases ?? []).map(({ version, demands: of }) => [version, new Set(checksums(of))]));
}

async function syncRegistry(
  context: Context,
  jobs: readonly PackageJob[],
  {
    repository,
    upstream,
    http,
    limit,
    locked,
  }: Omit<Registry, "paths" | "validators" | "onVerified"> & {
    readonly repository: string;
    readonly limit: ReturnType<typeof pLimit>;
  },
): Promise<void> {
  const { reporter, signal } = context;
  if (repository !== hexpm) {
    const guard = "guard /repos with serve --require-token";
    reporter.note(`warning: what ${repository} keeps private, this mirror shows to whoever reaches it; ${guard}`);
  }
  const paths = context.paths.registry(repository);
  const written = [paths.tarballsDir, paths.docsDir, paths.upstreamDir, paths.upstreamPackagesDir];
  for (const place of written) await place.removeLeftovers();
  // Even where nothing is documented, so that --if-changed can tell that documentation was asked for.
  if (context.config.docs) paths.docsDir.makeFolder();
  const validators = await readValidators(paths);
  let isVerified = false;
  const registry: Registry = { paths, upstream, http, validators, locked, onVerified: () => (isVerified = true) };
  const run = async (job: PackageJob) => {
    if (!signal.aborted) await syncPackage(context, job, registry);
  };
  try {
    await Promise.all(jobs.map((job) => limit(() => run(job))));
  } finally {
    await writeValidators(paths, validators);
    // A key that fits nothing must not become the one that the records here are read with.
    if (isVerified) await recordUpstream(context, repository, { url: upstream.url, key: upstream.publicKey });
  }
}

async function syncPackage(context: Context, job: PackageJob, registry: Registry): Promise<void> {
  const { reporter, config } = context;
  const shown = shownPackage(job.repository, job.name);
  let record: Package;
  try {
    record = await refreshRecord(context, job.name, registry);
    registry.onVerified();
  } catch (error) {
    for (const { version } of job.releases) reporter.failed(`${shown} ${version}`, error);
    return;
  }
  for (const { version, demands } of job.releases) {
    const item = `${shown} ${version}`;
    try {
      const release = record.releases.find((candidate) => candidate.version === version);
      if (release === undefined) throw notListed(job.name, version);
      const bytes = await syncTarball(context, job.name, release, demands, registry);
      reporter.done(item, bytes === 0 ? "unchanged" : "added", bytes);
    } catch (error) {
      reporter.failed(item, error);
    }
    if (config.docs) await syncDocs(context, job.name, version, registry);
  }
}

/** The record that is held is read anew each time: what lies in the folder is not trusted either. */
async function refreshRecord(context: Context, name: string, registry: Registry): Promise<Package> {
  const { http, upstream, validators, paths } = registry;
  const file = paths.upstreamPackage(name);
  const held = await readHeldRecord(file, name, upstream);
  const validator = held === undefined ? undefined : validators.get(name);
  const fetched = await fetchRecord(http, upstream, name, validator, transferOf(context));
  const record = fetched.changed ? fetched.record : held?.record;
  if (record === undefined) throw new MirrorError("upstream", `upstream sent no record of ${name}`);
  await takeRecord(context, registry, { before: held?.record, after: record });
  if (!fetched.changed) return record;
  if (held?.bytes.equals(fetched.bytes) !== true) await file.write(fetched.bytes);
  validators.set(name, fetched.validator);
  return record;
}

async function readHeldRecord(
  file: Place,
  name: string,
  upstream: HexUpstream,
): Promise<{ bytes: Buffer; record: Package } | undefined> {
  const bytes = await file.read();
  if (bytes === undefined) return undefined;
  try {
    return { bytes, record: verifyRecord(bytes, upstream, name, file.path) };
  } catch {
    // Damaged, or signed by the key of another upstream: fetched whole again.
    return undefined;
  }
}

/** @returns how many bytes were fetched; 0 when the tarball was here and right */
async function syncTarball(
  context: Context,
  name: string,
  release: Release,
  demands: readonly Demand[],
  { paths, http, upstream }: Registry,
): Promise<number> {
  const file = paths.tarball(name, release.version);
  if (await isHeld(file, name, release, demands)) return 0;
  const bytes = await fetchTarball(http, upstream, { name, record: release, demands }, transferOf(context));
  await file.write(bytes);
  return bytes.length;
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

/** A package may be without documentation: only what goes wrong is told. */
async function syncDocs(context: Context, name: string, version: string, registry: Registry): Promise<void> {
  const { http, upstream, validators, paths } = registry;
  const file = paths.docs(name, version);
  const key = `docs/${name}-${version}`;
  const item = `the documentation of ${shownPackage(paths.repository, name)} ${version}`;
  try {
    const isHere = file.isFile();
    const validator = isHere ? validators.get(key) : undefined;
    const fetched = await fetchDocs(http, upstream, { name, version }, validator, transferOf(context));
    if (fetched === undefined) return;
    const isNew = await file.writeIfChanged(fetched.bytes);
    validators.set(key, fetched.validator);
    if (!isNew) return;
    context.reporter.begin(1);
    context.reporter.done(item, isHere ? "updated" : "added", fetched.bytes.length);
  } catch (error) {
    context.reporter.begin(1);
    context.reporter.failed(item, error);
  }
}

function notListed(name: string, version: string): MirrorError {
  return new MirrorError("not_found", `upstream's record of ${name} lists no version ${version}`);
}
