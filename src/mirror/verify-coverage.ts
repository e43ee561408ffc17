/**
 * On what does the registry rest? Names the releases that no upstream record covers, those that upstream's record does
 * not list and that are not signed, and what contradicts what was known before.
 */
import type { KeyObject } from "node:crypto";
import { releaseItem } from "../names/item.ts";
import { silentReporter } from "../reporter.ts";
import { MirrorError, describeError } from "../errors.ts";
import { hexDigits } from "../hex/checksums.ts";
import { isPackageName } from "../names/hex-names.ts";
import type { Package } from "../hex/records.ts";
import { ambiguousVersions, readHistory, type HistoryLine } from "../store/history.ts";
import { listRegistries, listTarballs } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { signedChecksums } from "../registry/adoption.ts";
import { readUpstreamRecords, type UpstreamRecords } from "../registry/upstream-records.ts";
import type { Context } from "../store/context.ts";
import type { Findings, Uncovered } from "./findings.ts";
import { heldRecordsKey, type RecordsKey } from "../upstream/hex-repositories.ts";
import { trustedKey } from "../store/trust.ts";

/** @param key of our registry; undefined: nothing is taken for signed */
export async function verifyCoverage(
  context: Context<RecordsKey>,
  key: KeyObject | undefined,
  findings: Findings,
): Promise<Uncovered[]> {
  const uncovered: Uncovered[] = [];
  for (const registry of await listRegistries(context.paths)) {
    try {
      uncovered.push(...(await coverageOf(context, registry, { key, findings })));
    } catch (error) {
      // A link that bars the way is told by its name.
      if (!(error instanceof MirrorError) || error.code !== "storage") throw error;
    }
  }
  return uncovered;
}

async function coverageOf(
  context: Context<RecordsKey>,
  registry: RegistryPaths,
  { key, findings }: { readonly key: KeyObject | undefined; readonly findings: Findings },
): Promise<Uncovered[]> {
  const uncovered: Uncovered[] = [];
  await trustedKey(context.paths, registry.repository).catch((error: unknown) => {
    const item = { kind: "registry" as const, repository: registry.repository };
    findings.damaged.push({ item, reason: describeError(error) });
  });
  const records = await readRecords(context, registry);
  const signed = new Map<string, Map<string, string>>();
  for (const { name, version } of await listTarballs(registry)) {
    const record = records.get(name);
    if (record?.releases.some((release) => release.version === version)) continue;
    const item = releaseItem({ repository: registry.repository, name }, version);
    const known = signed.get(name) ?? (await signedChecksums(registry, name, key === undefined ? [] : [key]));
    signed.set(name, known);
    const isSigned = known.has(version);
    if (record === undefined || isSigned) uncovered.push({ item, isSigned });
    else {
      const reason = "its tarball is damaged: upstream's record does not list it, and it is not signed";
      findings.damaged.push({ item, reason });
    }
  }
  await verifyHistory(registry, records, findings);
  return uncovered;
}

/** Those that cannot be read are told by what needs them. */
async function readRecords(context: Context<RecordsKey>, registry: RegistryPaths): Promise<UpstreamRecords["records"]> {
  const names = (await registry.upstreamPackagesDir.list("file")).filter(isPackageName);
  if (names.length === 0) return new Map();
  const quiet = { ...context, reporter: silentReporter };
  const publicKey = await heldRecordsKey(quiet, registry.repository).catch(() => undefined);
  return publicKey === undefined ? new Map() : (await readUpstreamRecords(registry, names, publicKey)).records;
}

async function verifyHistory(
  registry: RegistryPaths,
  records: ReadonlyMap<string, Package>,
  { damaged }: Findings,
): Promise<void> {
  const files = (await registry.historyDir.list("file")).filter((file) => file.endsWith(".jsonl"));
  for (const name of files.map((file) => file.slice(0, -".jsonl".length)).filter(isPackageName)) {
    const lines = await readHistory(registry.history(name));
    const find = (version: string, reason: string) =>
      damaged.push({ item: releaseItem({ repository: registry.repository, name }, version), reason });
    for (const version of ambiguousVersions(lines)) {
      find(version, `${registry.history(name).path} has two checksums for it; ask upstream which is right`);
    }
    for (const version of contradicted(lines, records.get(name))) {
      find(version, `upstream's record has another checksum than ${registry.history(name).path} tells`);
    }
  }
}

function contradicted(lines: readonly HistoryLine[], record: Package | undefined): string[] {
  return (record?.releases ?? []).flatMap(({ version, outerChecksum }) => {
    const known = lines.filter((line) => line.version === version).map(({ checksum }) => checksum);
    const own = hexDigits(outerChecksum);
    return known.length === 0 || known.includes(own) ? [] : [version];
  });
}
