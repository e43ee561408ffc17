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

/** @param names of packages; one without a record is in neither @param publicKey that must have signed them */
export async function readUpstreamRecords(
  registry: RegistryPaths,
  names: Iterable<string>,
  publicKey: KeyObject,
): Promise<UpstreamRecords> {
  const records = new Map<string, Package>();
  const untrusted = new Map<string, unknown>();
  const upstream = { url: "", repository: signedName(registry.repository), publicKey };
  const limit = pLimit(atOnce);
  const read = async (name: string) => {
    const file = registry.upstreamPackage(name);
    try {
      const bytes = await file.read();
      if (bytes !== undefined) records.set(name, verifyRecord(bytes, upstream, name, file.path));
    } catch (error) {
      untrusted.set(name, error);
    }
  };
  await Promise.all([...names].map((name) => limit(() => read(name))));
  return { records, untrusted };
}
