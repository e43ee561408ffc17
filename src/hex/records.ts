/** The three registry messages as bytes and objects. Unknown fields and enumeration values survive the round trip. */
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { MirrorError } from "../errors.ts";
import {
  NamesSchema,
  PackageSchema,
  ReleaseSchema,
  VersionsSchema,
  type Dependency,
  type Names,
  type Package,
  type Release,
  type Versions,
} from "./gen/registry_pb.ts";

export type { Dependency, Names, Package, Release, Versions };

export type NamesInit = MessageInitShape<typeof NamesSchema>;
export type VersionsInit = MessageInitShape<typeof VersionsSchema>;
export type PackageInit = MessageInitShape<typeof PackageSchema>;
export type ReleaseInit = MessageInitShape<typeof ReleaseSchema>;

export function encodeNames(names: NamesInit): Uint8Array {
  return toBinary(NamesSchema, create(NamesSchema, names));
}

export function encodeVersions(versions: VersionsInit): Uint8Array {
  return toBinary(VersionsSchema, create(VersionsSchema, versions));
}

/** @param original the record that this one derives from: its unknown fields are kept */
export function encodePackage(record: PackageInit, original?: Package): Uint8Array {
  const message = create(PackageSchema, record);
  if (original?.$unknown !== undefined) message.$unknown = original.$unknown;
  return toBinary(PackageSchema, message);
}

export function createPackage(record: PackageInit): Package {
  return create(PackageSchema, record);
}

export function createRelease(release: ReleaseInit): Release {
  return create(ReleaseSchema, release);
}

/** @throws MirrorError `malformed` */
export function decodeNames(payload: Uint8Array): Names {
  return decoding("names", () => fromBinary(NamesSchema, payload));
}

/** @throws MirrorError `malformed` */
export function decodeVersions(payload: Uint8Array): Versions {
  return decoding("versions", () => fromBinary(VersionsSchema, payload));
}

/** @throws MirrorError `malformed` */
export function decodePackage(payload: Uint8Array): Package {
  return decoding("package", () => fromBinary(PackageSchema, payload));
}

function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new MirrorError("malformed", `not a registry's ${what} record`, { cause });
  }
}
