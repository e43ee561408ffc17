/**
 * Is everything that the locks name here, and intact? Tarballs and the objects of locked commits are hashed, and the
 * registry is read as a client would read it. Needs no network and writes nothing.
 */
import { readFile } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import { MirrorError, describeError, hasErrno } from "../errors.ts";
import { checkCommit } from "../git/check-commit.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { demandProblem, tarballProblem } from "../hex/check.ts";
import { readPublicKey } from "../hex/keys.ts";
import { decodePackage, type Package } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { readTarball } from "../hex/tarball.ts";
import type { Lock } from "../lock/entries.ts";
import { makePlan, type GitJob, type PackageJob } from "../plan/plan.ts";
import { readIfPresent } from "../store/atomic.ts";
import { findRepository } from "../store/repositories.ts";
import { upstreamRepository, type Context } from "./context.ts";
import { submodulesOf } from "./sync-repositories.ts";

export type Finding =
  | {
      readonly kind: "hex";
      readonly name: string;
      readonly version: string;
      readonly lock: string;
      readonly reason: string;
    }
  | {
      readonly kind: "git";
      readonly url: string;
      readonly revision: string;
      readonly lock: string;
      readonly reason: string;
    };

export interface VerifyResult {
  readonly ok: boolean;
  /** How many releases and commits were looked at. */
  readonly checked: number;
  readonly missing: readonly Finding[];
  readonly corrupt: readonly Finding[];
}

interface Findings {
  checked: number;
  readonly missing: Finding[];
  readonly corrupt: Finding[];
}

export async function verify(
  context: Context,
  locks: readonly Lock[],
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<VerifyResult> {
  const plan = makePlan(locks, context.config);
  const findings: Findings = { checked: 0, missing: [], corrupt: [] };
  const key = await readRegistryKey(context);
  for (const job of plan.packages) await verifyPackage(context, job, key, findings);
  if (plan.repositories.length > 0) {
    const environments = await gitEnvironments();
    const seen = new Set<string>();
    for (const job of plan.repositories) await verifyRepository(context, job, environments, findings, seen);
  }
  for (const { lock, app, reason } of plan.refused) {
    findings.missing.push({ kind: "git", url: app, revision: "", lock, reason });
  }
  return { ok: findings.missing.length + findings.corrupt.length === 0, ...findings };
}

async function readRegistryKey({ paths }: Context): Promise<KeyObject | undefined> {
  const file = paths.hex("public_key");
  const pem = await readIfPresent(file);
  return pem === undefined ? undefined : readPublicKey(pem.toString("utf8"), file);
}

async function verifyPackage(
  context: Context,
  job: PackageJob,
  key: KeyObject | undefined,
  findings: Findings,
): Promise<void> {
  const record = await readRecord(context, job, key);
  for (const { version, demands } of job.releases) {
    findings.checked += 1;
    const add = (list: Finding[], reason: string, lock = demands[0]?.lock ?? "") =>
      list.push({ kind: "hex", name: job.name, version, lock, reason });
    if (job.repository !== upstreamRepository) {
      add(findings.missing, `the repository "${job.repository}" is not mirrored`);
      continue;
    }
    const tarball = await readHeldTarball(context.paths.tarball(job.name, version));
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
  { paths }: Context,
  { name }: PackageJob,
  key: KeyObject | undefined,
): Promise<Package | { releases: [] } | { damage: string }> {
  try {
    const bytes = await readIfPresent(paths.hex(`packages/${name}`));
    if (bytes === undefined) return { releases: [] };
    if (key === undefined) return { damage: "the registry has no public_key" };
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
    if (error instanceof MirrorError) return { damage: describeError(error) };
    throw new MirrorError("storage", `cannot read ${path}`, { cause: error });
  }
}

/** A repository and, where an entry asks for them, its submodules, all the way down. */
async function verifyRepository(
  context: Context,
  job: GitJob,
  environments: GitEnvironments,
  findings: Findings,
  seen: Set<string>,
): Promise<void> {
  const { paths, signal, config } = context;
  const url = `https://${job.host}/${job.path}`;
  const dir = await findRepository(paths, job.host, job.path);
  for (const { revision, lock } of job.entries) {
    if (seen.has(`${url} ${revision}`)) continue;
    seen.add(`${url} ${revision}`);
    findings.checked += 1;
    if (dir === undefined) {
      findings.missing.push({ kind: "git", url, revision, lock, reason: "the repository is not here" });
      continue;
    }
    const result = await checkCommit(dir, revision, environments.own, signal);
    if (result.state === "ok") continue;
    const hint = result.state === "corrupt" ? `; delete ${dir} and sync again` : "";
    const finding: Finding = { kind: "git", url, revision, lock, reason: `${result.reason}${hint}` };
    (result.state === "missing" ? findings.missing : findings.corrupt).push(finding);
  }
  if (dir === undefined) return;
  const found = await submodulesOf(job, dir, environments, signal);
  const fresh = found.map(({ lock, entry }) => ({ name: lock, entries: [entry] }));
  const plan = makePlan(fresh, config);
  for (const { lock, app, reason } of plan.refused) {
    findings.missing.push({ kind: "git", url: app, revision: "", lock, reason });
  }
  for (const child of plan.repositories) {
    const isNew = child.entries.some(({ revision }) => !seen.has(`https://${child.host}/${child.path} ${revision}`));
    if (isNew) await verifyRepository(context, child, environments, findings, seen);
  }
}
