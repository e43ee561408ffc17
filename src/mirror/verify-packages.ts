/** Are the releases that the locks name here, intact, and in the registry as a client reads it? */
import type { KeyObject } from "node:crypto";
import type { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import { readExpectedTarball } from "../hex/check.ts";
import { decodePackage, type Package, type Release } from "../hex/records.ts";
import { shownPackage } from "../hex/repository.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import type { Demand, PackageJob } from "../plan/plan.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { publishedKey } from "../store/published-key.ts";
import type { Context } from "./context.ts";
import type { Finding, Findings } from "./findings.ts";

/** @returns undefined where there is none, or none that can be read: no record can then be taken for intact */
export async function readRegistryKey({ paths }: Pick<Context, "paths">): Promise<KeyObject | undefined> {
  return publishedKey(paths).catch(() => undefined);
}

export async function verifyPackage(
  context: Context,
  job: PackageJob,
  key: KeyObject | undefined,
  findings: Findings,
): Promise<void> {
  const registry = context.paths.registry(job.repository);
  const shown = shownPackage(job.repository, job.name);
  const record = await readRecord(registry, job, key);
  for (const { version, demands } of job.releases) {
    findings.checked += 1;
    const add = (list: Finding[], reason: string, lock = demands[0]?.lock ?? "") =>
      list.push({ kind: "hex", name: shown, version, lock, reason });
    const tarball = registry.tarball(job.name, version);
    const release = "releases" in record ? record.releases.find((other) => other.version === version) : undefined;
    if (!isThere(tarball)) add(findings.missing, "its tarball is not here");
    else if (!tarball.isFile()) add(findings.corrupt, `its tarball is damaged: ${tarball.path} is no regular file`);
    else if ("damage" in record) add(findings.corrupt, `the registry's record is damaged: ${record.damage}`);
    else if (release === undefined) add(findings.missing, 'the registry does not list it; run "mirror-server build"');
    else {
      const problem = await damageOf(tarball, job.name, release, []);
      if (problem !== undefined) add(findings.corrupt, `its tarball is damaged: ${problem}`);
      for (const demand of problem === undefined ? demands : []) {
        const mismatch = await damageOf(tarball, job.name, release, [demand]);
        if (mismatch !== undefined) add(findings.corrupt, `its tarball: ${mismatch}`, demand.lock);
      }
    }
  }
}

async function readRecord(
  registry: RegistryPaths,
  { name }: PackageJob,
  key: KeyObject | undefined,
): Promise<Package | { releases: [] } | { damage: string }> {
  try {
    const bytes = await registry.resource(`packages/${name}`).read();
    if (bytes === undefined) return { releases: [] };
    if (key === undefined) return { damage: "the registry has no public_key that can be read" };
    return decodePackage(verifyAndUnwrap(bytes, key));
  } catch (error) {
    return { damage: describeError(error) };
  }
}

/** A link, too, which is then told by its name. */
function isThere(file: Place): boolean {
  try {
    return file.look() !== undefined;
  } catch {
    return true;
  }
}

/** @throws MirrorError `storage`: what cannot be read now may be whole */
async function damageOf(
  file: Place,
  name: string,
  release: Release,
  demands: readonly Demand[],
): Promise<string | undefined> {
  const bytes = await file.read();
  try {
    readExpectedTarball(bytes ?? Buffer.alloc(0), name, release, demands);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}
