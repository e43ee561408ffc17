/** One package: refresh upstream's record, then fetch each tarball that is missing or not the one it should be. */
import { readFile } from "node:fs/promises";
import { MirrorError } from "../errors.ts";
import { fetchRecord, fetchTarball, verifyRecord, type HexUpstream } from "../fetch/hex.ts";
import type { HttpClient } from "../fetch/http.ts";
import { demandProblem, tarballProblem } from "../hex/check.ts";
import type { Package, Release } from "../hex/records.ts";
import { readTarball } from "../hex/tarball.ts";
import type { Demand, PackageJob } from "../plan/plan.ts";
import { readIfPresent, writeAtomic } from "../store/atomic.ts";
import type { Validators } from "../store/validators.ts";
import { upstreamRepository, type Context } from "./context.ts";

export interface PackageTools {
  readonly http: HttpClient;
  readonly upstream: HexUpstream;
  readonly validators: Validators;
  /** Called when a record proved to be signed by upstream's key. */
  readonly onVerified: () => void;
}

/** Reports each release by itself: one that fails does not stop the others. */
export async function syncPackage(context: Context, job: PackageJob, tools: PackageTools): Promise<void> {
  const { reporter } = context;
  let record: Package;
  try {
    record = await refreshRecord(context, job.name, tools);
    tools.onVerified();
  } catch (error) {
    for (const { version } of job.releases) reporter.failed(`${job.name} ${version}`, error);
    return;
  }
  for (const { version, demands } of job.releases) {
    const item = `${job.name} ${version}`;
    try {
      const release = record.releases.find((candidate) => candidate.version === version);
      if (release === undefined) throw notListed(job.name, version);
      const bytes = await syncTarball(context, job.name, release, demands, tools);
      reporter.done(item, bytes === 0 ? "unchanged" : "added", bytes);
    } catch (error) {
      reporter.failed(item, error);
    }
  }
}

/** The record that is held is read anew each time: what lies in the folder is not trusted either. */
async function refreshRecord(context: Context, name: string, tools: PackageTools): Promise<Package> {
  const { http, upstream, validators } = tools;
  const file = context.paths.upstreamPackage(upstreamRepository, name);
  const held = await readHeldRecord(file, name, upstream);
  const validator = held === undefined ? undefined : validators.get(name);
  const fetched = await fetchRecord(http, upstream, name, validator, {
    signal: context.signal,
    onBytes: context.reporter.received,
  });
  if (!fetched.changed && held !== undefined) return held.record;
  if (!fetched.changed) throw new MirrorError("upstream", `upstream sent no record of ${name}`);
  if (held?.bytes.equals(fetched.bytes) !== true) await writeAtomic(file, fetched.bytes);
  validators.set(name, fetched.validator);
  return fetched.record;
}

async function readHeldRecord(
  file: string,
  name: string,
  upstream: HexUpstream,
): Promise<{ bytes: Buffer; record: Package } | undefined> {
  const bytes = await readIfPresent(file);
  if (bytes === undefined) return undefined;
  try {
    return { bytes, record: verifyRecord(bytes, upstream, name, file) };
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
  tools: PackageTools,
): Promise<number> {
  const path = context.paths.tarball(name, release.version);
  if (await isHeld(path, name, release, demands)) return 0;
  const bytes = await fetchTarball(
    tools.http,
    tools.upstream,
    { name, record: release, demands },
    { signal: context.signal, onBytes: context.reporter.received },
  );
  await writeAtomic(path, bytes);
  return bytes.length;
}

async function isHeld(path: string, name: string, release: Release, demands: readonly Demand[]): Promise<boolean> {
  try {
    const tarball = readTarball(await readFile(path));
    const isDemanded = demands.every((demand) => demandProblem(tarball, demand) === undefined);
    return isDemanded && tarballProblem(tarball, name, release) === undefined;
  } catch {
    return false;
  }
}

function notListed(name: string, version: string): MirrorError {
  return new MirrorError("not_found", `upstream's record of ${name} lists no version ${version}`);
}
