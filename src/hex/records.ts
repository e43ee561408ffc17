/** The three registry messages as bytes and objects. Unknown fields and enumeration values survive the round trip. */
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
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
  return decoding("names", () => {
    refuseCrowds(payload, maxFieldsOfLists);
    return fromBinary(NamesSchema, payload);
  });
}

/** @throws MirrorError `malformed` */
export function decodeVersions(payload: Uint8Array): Versions {
  return decoding("versions", () => {
    refuseCrowds(payload, maxFieldsOfLists);
    return fromBinary(VersionsSchema, payload);
  });
}

/** @throws MirrorError `malformed` */
export function decodePackage(payload: Uint8Array): Package {
  return decoding("package", () => {
    refuseCrowds(payload, maxFields);
    return fromBinary(PackageSchema, payload);
  });
}

// hex.pm's largest package has some 1,000 releases with some 10 dependencies of 5 fields each.
const maxFields = 500_000;
// 20,000 packages with 200,000 releases.
const maxFieldsOfLists = 2_000_000;

/**
 * Two bytes are an empty release, which takes hundreds in memory: how many fields there are is counted before anything
 * is made of them.
 */
function refuseCrowds(payload: Uint8Array, most: number): void {
  let count = 0;
  const visit = (start: number, end: number, depth: number): void => {
    const reader = new BinaryReader(payload.subarray(start, end));
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (++count > most) throw new Error(`it holds more than ${most} fields`);
      if (type !== WireType.LengthDelimited || depth > 0) {
        reader.skip(type, field);
        continue;
      }
      const length = reader.uint32();
      const from = start + reader.pos;
      // Releases hold dependencies, packages versions; nothing else holds many.
      if (field === 1) visit(from, Math.min(from + length, end), 1);
      reader.pos += length;
    }
  };
  visit(0, payload.length, 0);
}

function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new MirrorError("malformed", `not a registry's ${what} record`, { cause });
  }
}
