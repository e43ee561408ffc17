/**
 * Is everything that the locks name here, and intact? Tarballs and the objects of locked commits are hashed, and the
 * registry is read as a client would read it. Needs no network and, but for `--deep`, writes nothing.
 */
import type { GitEnvironments } from "../git/environment.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs, type FileJob } from "../plan/files.ts";
import { makePlan } from "../plan/plan.ts";
import { foreignEntries } from "../store/foreign-entries.ts";
import { readFileChecksums, type FileChecksums } from "../store/file-checksums.ts";
import { listRegistries } from "../store/inventory.ts";
import { describeForeign, type Context } from "./context.ts";
import type { Findings, VerifyResult } from "./findings.ts";
import { readRegistry } from "./health.ts";
import { requireGivenKeys } from "./hex-upstreams.ts";
import { hashFile } from "./sync-files.ts";
import { moveCorruptAside } from "./verify-deep.ts";
import { verifyCoverage } from "./verify-coverage.ts";
import { readRegistryKey, verifyPackage } from "./verify-packages.ts";
import { verifyRepository } from "./verify-repositories.ts";
import { configuredLocks } from "./wanted.ts";

export async function verify(
  context: Context,
  given: readonly Lock[],
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<VerifyResult> {
  const { config } = context;
  await requireGivenKeys(context);
  const plan = makePlan([...given, ...configuredLocks(config)], config);
  // First, so that what it moves aside is found missing.
  const movedAside = config.deep ? await moveCorruptAside(context, gitEnvironments) : undefined;
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
  for (const registry of await listRegistries(context.paths)) {
    const { problem: reason } = await readRegistry(registry);
    if (reason !== undefined) findings.corrupt.push({ kind: "registry", name: registry.repository, lock: "", reason });
  }
  for (const entry of await foreignEntries(context.paths)) {
    findings.corrupt.push({ kind: "place", path: entry.path, lock: "", reason: describeForeign(entry) });
  }
  const uncovered = await verifyCoverage(context, key, findings);
  const files = fileJobs(config.files);
  const checksums = files.length === 0 ? undefined : await readChecksums(context);
  for (const job of files) await verifyFile(context, job, checksums, findings);
  const ok = findings.missing.length + findings.corrupt.length + (movedAside?.length ?? 0) === 0;
  return { ok, ...findings, uncovered, ...(movedAside === undefined ? {} : { movedAside }) };
}

/** None, when they are damaged: what they were the only witness of is then told by itself. */
async function readChecksums({ paths }: Context): Promise<FileChecksums | undefined> {
  return readFileChecksums(paths).catch(() => undefined);
}

async function verifyFile(
  { paths }: Context,
  { url, host, path, sha256 }: FileJob,
  checksums: FileChecksums | undefined,
  findings: Findings,
): Promise<void> {
  findings.checked += 1;
  const file = paths.file(host, path);
  const expected = sha256 ?? checksums?.get(`${host}/${path}`)?.sha256;
  const finding = (reason: string) => ({ kind: "file" as const, url, lock: "mirror.config.json", reason });
  if (!file.isFile()) findings.missing.push(finding("the file is not here"));
  else if (expected === undefined) findings.corrupt.push(finding("no checksum of it is known; sync it again"));
  else if ((await hashFile(file)) !== expected) findings.corrupt.push(finding("its SHA-256 is another"));
}
