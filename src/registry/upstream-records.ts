/** Upstream's records as they lie in the folder, verified anew: which can be trusted, and what is wrong with the others. */
import type { KeyObject } from "node:crypto";
import pLimit from "p-limit";
import { verifyRecord } from "../upstream/hex.ts";
import type { Package } from "../hex/records.ts";
import { signedName } from "../names/hex-repository.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

export interface UpstreamRecords {
  /** By package. */
  readonly records: ReadonlyMap<string, Package>;
  /** By package, why its record counts for nothing: it is damaged, another key's, or cannot be read. */
  readonly untrusted: ReadonlyMap<string, unknown>;
}

export const noRecords: UpstreamRecords = { records: new Map(), untrusted: new Map() };

// Small files: what they cost is waiting for the disk.
const atOnce = 32;

/** What upstream says of a package: `record` is there unless it says nothing, or `untrusted` tells why that counts for nothing. */
export interface UpstreamSays {
  readonly record?: Package;
  readonly untrusted?: unknown;
}

/**
 * For who takes thousands one after the other: some are read ahead, and none is kept. @param names in the order in which they
 * will be asked for @param publicKey undefined where upstream has no say
 */
export function readAhead(
  registry: RegistryPaths,
  names: readonly string[],
  publicKey: KeyObject | undefined,
): (name: string) => Promise<UpstreamSays> {
  if (publicKey === undefined) return async () => ({});
  const begun = new Map<string, Promise<UpstreamSays>>();
  let next = 0;
  return async (name) => {
    for (; next < names.length && begun.size < atOnce; next += 1) {
      const ahead = names[next] ?? "";
      begun.set(ahead, readOne(registry, ahead, publicKey));
    }
    const found = begun.get(name) ?? readOne(registry, name, publicKey);
    begun.delete(name);
    return found;
  };
}

async function readOne(registry: RegistryPaths, name: string, publicKey: KeyObject): Promise<UpstreamSays> {
  const upstream = { url: "", repository: signedName(registry.repository), publicKey };
  const file = registry.upstreamPackage(name);
  try {
    const bytes = await file.read();
    return bytes === undefined ? {} : { record: verifyRecord(bytes, upstream, name, file.path) };
  } catch (untrusted) {
    return { untrusted };
  }
}

/** @param names of packages; one without a record is in neither @param publicKey that must have signed them */
export async function readUpstreamRecords(
  registry: RegistryPaths,
  names: Iterable<string>,
  publicKey: KeyObject,
): Promise<UpstreamRecords> {
  const records = new Map<string, Package>();
  const untrusted = new Map<string, unknown>();
  const limit = pLimit(atOnce);
  const read = async (name: string) => {
    const says = await readOne(registry, name, publicKey);
    if (says.record !== undefined) records.set(name, says.record);
    if (says.untrusted !== undefined) untrusted.set(name, says.untrusted);
  };
  await Promise.all([...names].map((name) => limit(() => read(name))));
  return { records, untrusted };
}
