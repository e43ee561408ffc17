/** `names` and `versions` of a registry, read as a client reads them, signature included. */
import type { KeyObject } from "node:crypto";
import { stampFrom } from "../disk/stamp.ts";
import { describeError } from "../errors.ts";
import { readPublicKey } from "../hex/keys.ts";
import { decodeNames, decodeVersions, type Names, type Versions } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { servedName } from "../names/hex-repository.ts";
import { listTarballs } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

export interface Lists {
  /** undefined: the lists cannot be read. */
  readonly key: KeyObject | undefined;
  /** By package. */
  readonly versions: ReadonlyMap<string, readonly string[]>;
  readonly problem: string | undefined;
}

/** Another when one of the files is. */
export function lookAtLists(registry: RegistryPaths): string {
  const stamps = ["names", "versions", "public_key"].map((name) => {
    const file = registry.resource(name);
    const stats = file.isFile() || file.isFolder() ? file.look() : undefined;
    return stats === undefined ? "-" : stampFrom(stats);
  });
  return stamps.join("\n");
}

export async function readLists(registry: RegistryPaths): Promise<Lists> {
  const served = servedName(registry.repository);
  const shown = served === undefined ? "the registry" : `the registry /repos/${served}`;
  const none = { key: undefined, versions: new Map<string, string[]>() };
  try {
    const pem = await registry.publicKey.read();
    const signedNames = await registry.resource("names").read();
    const signedVersions = await registry.resource("versions").read();
    if (pem === undefined || signedNames === undefined || signedVersions === undefined) {
      // A registry that was never signed holds nothing.
      const isEmpty = pem === undefined && signedNames === undefined && (await listTarballs(registry)).length === 0;
      const problem = isEmpty ? undefined : `${shown} is not signed yet, or not whole; run "mirror-server build"`;
      return { ...none, problem };
    }
    const key = readPublicKey(pem.toString("utf8"), "public_key");
    const names = decodeNames(verifyAndUnwrap(signedNames, key));
    const versions = decodeVersions(verifyAndUnwrap(signedVersions, key));
    return {
      key,
      versions: new Map(versions.packages.map((entry) => [entry.name, entry.versions])),
      problem: isOfOnePiece(names, versions)
        ? undefined
        : `${shown} cannot be served: "names" is not the list of what "versions" has; run "mirror-server build"`,
    };
  } catch (error) {
    return { ...none, problem: `${shown} cannot be served: ${describeError(error)}` };
  }
}

/** Other resources are signed by the same key, and one may lie in another's place. */
function isOfOnePiece(names: Names, versions: Versions): boolean {
  const listed = new Set(versions.packages.map(({ name }) => name));
  return (
    names.repository === versions.repository &&
    names.packages.length === listed.size &&
    names.packages.every((entry) => listed.has(entry.name) && !hasVersions(entry)) &&
    versions.packages.every((entry) => entry.versions.length > 0)
  );
}

/** As the other list has them, in a field of the same message. */
function hasVersions({ $unknown = [] }: Names["packages"][number]): boolean {
  return $unknown.some(({ no }) => no === 2);
}
