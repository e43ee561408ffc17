/**
 * A package's tarball: an uncompressed tar of VERSION, CHECKSUM, metadata.config and contents.tar.gz.
 * https://github.com/hexpm/specifications/blob/main/package_tarball.md
 */
import { createHash } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { readMetadata, type Metadata } from "./metadata.ts";
import { readTar } from "./tar.ts";

/** hex.pm refuses packages over 16 MiB; other repositories may be more generous. Bytes. */
export const maxTarballSize = 256 * 1024 * 1024;

/** hex.pm's largest are some 100 kB; what is longer is made to be expensive to read. Bytes. */
const maxMetadataSize = 1024 * 1024;

export interface Checksums {
  /** SHA-256 of VERSION, metadata.config and contents.tar.gz; 32 bytes. Old locks know only this one. */
  readonly innerChecksum: Buffer;
  /** SHA-256 of the whole file; 32 bytes. */
  readonly outerChecksum: Buffer;
}

export interface Tarball extends Checksums {
  readonly metadata: Metadata;
}

/**
 * Reads a tarball and checks it against the checksum that it carries.
 * @param expect told of each checksum before anything is parsed that it vouches for; throws where it is another
 * @throws MirrorError `malformed`, `integrity`
 */
export function readTarball(bytes: Buffer, expect: (known: Partial<Checksums>) => void = () => undefined): Tarball {
  if (bytes.length > maxTarballSize) throw malformed(`larger than ${maxTarballSize} bytes`);
  const outerChecksum = createHash("sha256").update(bytes).digest();
  expect({ outerChecksum });
  const entries = readTar(bytes, { entries: 16 });
  const version = entry(entries, "VERSION");
  const format = version.toString("latin1").trim();
  if (format !== "3") throw malformed(`its format is version ${JSON.stringify(format)}, only "3" is known`);
  const metadata = entry(entries, "metadata.config");
  const innerChecksum = createHash("sha256")
    .update(version)
    .update(metadata)
    .update(entry(entries, "contents.tar.gz"))
    .digest();
  const stated = entry(entries, "CHECKSUM").toString("latin1").trim().toLowerCase();
  if (stated !== innerChecksum.toString("hex")) {
    throw new MirrorError("integrity", "the tarball's contents do not fit the checksum in it");
  }
  expect({ innerChecksum });
  return { metadata: parseMetadata(metadata), innerChecksum, outerChecksum };
}

/** What a tarball says of itself, which nothing vouches for here. @throws MirrorError `malformed` */
export function readUnverified(bytes: Buffer): Metadata {
  return parseMetadata(entry(readTar(bytes, { entries: 16 }), "metadata.config"));
}

function parseMetadata(bytes: Buffer): Metadata {
  if (bytes.length > maxMetadataSize) throw malformed(`metadata.config is larger than ${maxMetadataSize} bytes`);
  return readMetadata(bytes.toString("utf8"));
}

function entry(entries: Map<string, Buffer>, name: string): Buffer {
  const bytes = entries.get(name);
  if (bytes === undefined) throw malformed(`${name} is missing`);
  return bytes;
}

function malformed(what: string): MirrorError {
  return new MirrorError("malformed", `not a Hex tarball: ${what}`);
}
