/** What is wrong with a tarball or one of upstream's records that is held, whether or not anybody wants it. */
import type { KeyObject } from "node:crypto";
import type { Place } from "../disk/place.ts";
import { MirrorError, describeError } from "../errors.ts";
import { readExpectedTarball } from "../hex/check.ts";
import { isPackageName } from "../names/hex-names.ts";
import type { Package } from "../hex/records.ts";
import { readTarball } from "../hex/tarball.ts";
import { lazyBy } from "../lazy.ts";
import { signedChecksums } from "../registry/adoption.ts";
import { noRecords, readUpstreamRecords } from "../registry/upstream-records.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Held } from "./artifact.ts";

export interface Keys {
  /** Of upstream's records that are held. @throws MirrorError: it ends the look, since it is no damage of the records */
  readonly recordsKey: (repository: string) => Promise<KeyObject>;
  /** Of our registry; undefined: none that can be read. */
  readonly registryKey: () => Promise<KeyObject | undefined>;
}

export function createDamage(
  paths: StorePaths,
  { recordsKey, registryKey }: Keys,
): (held: Held) => Promise<string | undefined> {
  const recordsOf = lazyBy(async (repository: string) => {
    const registry = paths.registry(repository);
    const names = (await registry.upstreamPackagesDir.list("file")).filter(isPackageName);
    return names.length === 0 ? noRecords : readUpstreamRecords(registry, names, await recordsKey(repository));
  });
  const isSigned = async (repository: string, name: string, version: string) => {
    const key = await registryKey();
    return (await signedChecksums(paths.registry(repository), name, key === undefined ? [] : [key])).has(version);
  };
  return async ({ item, places: [place] }) => {
    if (place === undefined) return undefined;
    if (item.kind === "record") {
      const error = (await recordsOf(item.repository)).untrusted.get(item.name);
      // What cannot be read now is no damage.
      if (error instanceof MirrorError && error.code === "storage") throw error;
      return error === undefined ? undefined : describeError(error);
    }
    if (item.kind !== "release") return undefined;
    const { repository, name, version } = item;
    const record = (await recordsOf(repository)).records.get(name);
    const isListed = record === undefined || record.releases.some((release) => release.version === version);
    if (isListed || (await isSigned(repository, name, version))) return tarballDamage(place, record, name, version);
    return "upstream's record does not list it, and it is not signed";
  };
}

async function tarballDamage(file: Place, record: Package | undefined, name: string, version: string) {
  if (!file.isFile()) return "it is no regular file";
  // What cannot be read now is no damage: it ends the command, and nothing is moved.
  const bytes = (await file.read()) ?? Buffer.alloc(0);
  const release = record?.releases.find((candidate) => candidate.version === version);
  try {
    if (release !== undefined) readExpectedTarball(bytes, name, release, []);
    const { metadata } = readTarball(bytes);
    const isNamed = metadata.name === name && metadata.version === version;
    return isNamed ? undefined : `it holds ${metadata.name} ${metadata.version}`;
  } catch (error) {
    return describeError(error);
  }
}
