/** Are the releases that the locks name here, intact, and in the registry as a client reads it? */
import { readFile } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import { MirrorError, describeError, hasErrno } from "../errors.ts";
import { demandProblem, tarballProblem } from "../hex/check.ts";
import { readPublicKey } from "../hex/keys.ts";
import { decodePackage, type Package } from "../hex/records.ts";
import { hexpm, shownPackage } from "../hex/repository.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { readTarball } from "../hex/tarball.ts";
import type { PackageJob } from "../plan/plan.ts";
import { readIfPresent } from "../store/atomic.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import type { Context } from "./context.ts";
import type { Finding, Findings } from "./findings.ts";

/** @returns undefined where there is none, or none that can be read: no record can then be taken for intact */
export async function readRegistryKey({ paths }: Context): Promise<KeyObject | undefined> {
  const file = paths.registry(hexpm).publicKey;
  const pem = await readIfPresent(file);
  try {
    return pem === undefined ? undefined : readPublicKey(pem.toString("utf8"), file);
  } catch {
    return undefined;
  }
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
    const tarball = await readHeldTarball(registry.tarball(job.name, version));
    const release = "releases" in record ? record.releases.find((other) => other.version === version) : undefined;
    if (tarball === undefined) add(findings.missing, "its tarball is not here");
    else if ("damage" in tarball) add(findings.corrupt, `its tarball is damaged: ${tarball.damage}`);
    else if ("damage" in record) add(findings.corrupt, `the registry's record is damaged: ${record.damage}`);
    else if (release === undefined) add(findings.missing, 'the registry does not list it; run "mirror-server build"');
    else {
      const problem = tarballProblem(tarball, job.name, release);
      if (problem !== undefined) add(findings.corrupt, `its tarball: ${problem}`);
      for (const demand of problem === undefined ? demands : []) {
        const mismatch = demandProblem(tarball, demand);
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
    const bytes = await readIfPresent(registry.resource(`packages/${name}`));
    if (bytes === undefined) return { releases: [] };
    if (key === undefined) return { damage: "the registry has no public_key that can be read" };
    return decodePackage(verifyAndUnwrap(bytes, key));
  } catch (error) {
    return { damage: describeError(error) };
  }
}

async function readHeldTarball(path: string) {
  try {
    return readTarball(await readFile(path));
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    // A folder in its place, too; what cannot be read now may be whole.
    if (error instanceof MirrorError || hasErrno(error, "EISDIR")) return { damage: describeError(error) };
    throw new MirrorError("storage", `cannot read ${path}`, { cause: error });
  }
}
