/**
 * Is everything that is wanted here, and intact? Tarballs and the objects of locked commits are hashed, and the registry is
 * read as a client would read it. Needs no network and, but for `--deep`, writes nothing.
 */
import { compilesOffline } from "../artifacts/compiles.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import { describeError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { skippedEntries } from "../plan/skipped.ts";
import { readFileChecksums } from "../store/file-checksums.ts";
import { foreignEntries } from "../store/foreign-entries.ts";
import { publishedKey } from "../store/published-key.ts";
import { describeForeign, requireMirror, type Context } from "../store/context.ts";
import { checkRegistries, checkWanted } from "./check-wanted.ts";
import type { Findings, VerifyResult } from "./findings.ts";
import { requireGivenKeys, type RecordsKey } from "../upstream/hex-repositories.ts";
import { targetsOf } from "./kinds.ts";
import { quarantineDamaged } from "./verify-deep.ts";
import { verifyCoverage } from "./verify-coverage.ts";
import { configuredLocks } from "./wanted.ts";

export interface VerifyOptions {
  /** Also look at what nobody wants, and put what is damaged into quarantine. */
  readonly deep: boolean;
  readonly dryRun: boolean;
}

export async function verify(
  context: Context<RecordsKey | "packages" | "nearby" | "files" | "targets">,
  openKinds: () => Kinds,
  given: readonly Lock[],
  { deep, dryRun }: VerifyOptions,
): Promise<VerifyResult> {
  await requireMirror(context);
  await requireGivenKeys(context);
  const locks = [...given, ...configuredLocks(context.config)];
  // First, so that what goes into quarantine is found missing.
  const quarantined = deep ? await quarantineDamaged(context, openKinds, { dryRun }) : undefined;
  const findings: Findings = { checked: 0, missing: [], damaged: [] };
  await checkWanted(openKinds(), { locks, withHeld: true, withSubmodules: true }, findings);
  await checkRegistries(context, findings);
  // What no file needs is read by nobody else.
  await readFileChecksums(context.paths).catch((error: unknown) => {
    const item = { kind: "place" as const, path: context.paths.fileChecksums.path };
    findings.damaged.push({ item, reason: describeError(error) });
  });
  for (const entry of await foreignEntries(context.paths)) {
    findings.damaged.push({ item: { kind: "place", path: entry.path }, reason: describeForeign(entry) });
  }
  const key = await publishedKey(context.paths).catch(() => undefined);
  const uncovered = await verifyCoverage(context, key, findings);
  const { files, targets } = context.config;
  const compiles = await compilesOffline(context.paths, locks, {
    listed: fileJobs(files),
    targets: targetsOf({ targets }),
  });
  const skipped = skippedEntries(locks);
  const isCovered = skipped.every(({ isPath }) => isPath);
  const ok = isCovered && findings.missing.length + findings.damaged.length + (quarantined?.length ?? 0) === 0;
  return {
    ok,
    ...findings,
    skipped,
    uncovered,
    compilesOffline: compiles,
    ...(quarantined === undefined ? {} : { quarantined }),
  };
}
