/**
 * Reads the uncompressed tar that a Hex tarball is: a handful of regular files with short names. Everything else
 * that tar can hold (links, devices, long-name extensions, sparse files) has no place there and is refused, which is
 * why this is sixty lines of ours and not a general library (docs/decisions/0003-tar-reader.md). Documentation is a tar, too,
 * compressed, with folders.
 *
 * Format: POSIX.1-1988 ustar, https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { MirrorError } from "../errors.ts";

const block = 512;

export interface TarOptions {
  /** How many entries there may be. */
  readonly entries: number;
  /** Of documentation: folders are passed over, and names may be long, as ustar and POSIX.1-2001 write them. */
  readonly isTree?: boolean;
}

/** @returns the files by name, as views into `bytes`, no copies. @throws MirrorError `malformed` */
export function readTar(bytes: Buffer, { entries: most, isTree = false }: TarOptions): Map<string, Buffer> {
  const entries = new Map<string, Buffer>();
  let offset = 0;
  let count = 0;
  let longName: string | undefined;
  while (offset + block <= bytes.length) {
    const header = bytes.subarray(offset, offset + block);
    if (header.every((byte) => byte === 0)) return entries;
    const name = longName ?? nameIn(header, isTree);
    verifyChecksum(header);
    const type = text(header, 156, 1);
    const isFile = type === "0" || type === "";
    if (!isFile && !(isTree && passedOver.has(type))) throw malformed(`entry "${name}" is not a regular file`);
    const size = number(header, 124, 12);
    if (size === undefined) throw malformed(`entry "${name}" has a size that is not a number`);
    const end = offset + block + size;
    if (end > bytes.length) throw malformed(`entry "${name}" ends after the file does`);
    if (isFile && entries.has(name)) throw malformed(`entry "${name}" comes twice`);
    if (count++ === most) throw malformed(`more than ${most} entries`);
    const content = bytes.subarray(offset + block, end);
    if (isFile) entries.set(name, content);
    longName = type === "x" ? pathIn(content) : undefined;
    offset += block + Math.ceil(size / block) * block;
  }
  // Some writers leave out the two empty blocks at the end; a file that stops within a header is cut off.
  if (offset !== bytes.length) throw malformed("the file is cut off");
  return entries;
}

export interface Documentation {
  /** `guides/intro.html` → what stands there; undefined: there is no such file. */
  readonly file: (path: string) => Buffer | undefined;
  /** Of all of it, unpacked. */
  readonly bytes: number;
}

const unzip = promisify(gunzip);
// Bytes unpacked, and files: the largest of hex.pm unpack to some 30 MB.
const largestDocumentation = 64 * 1024 * 1024;
const mostPages = 20_000;

/** Its names may begin with `./`. @throws MirrorError `malformed`, an error of zlib's */
export async function unpackDocumentation(packed: Buffer): Promise<Documentation> {
  const tar = await unzip(packed, { maxOutputLength: largestDocumentation });
  const files = readTar(tar, { entries: mostPages, isTree: true });
  return { file: (path) => files.get(path) ?? files.get(`./${path}`), bytes: tar.length };
}

// Folders, what is said of the next entry, and of all that follow.
const passedOver = new Set(["5", "x", "g"]);

/** With what ustar puts before it. */
function nameIn(header: Buffer, isTree: boolean): string {
  const name = text(header, 0, 100);
  const prefix = isTree && text(header, 257, 5) === "ustar" ? text(header, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** `27 path=…\n`, among other such lines. */
function pathIn(content: Buffer): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content.toString("utf8"))?.[1];
}

/** Before anything else of it is believed, or told. */
function verifyChecksum(header: Buffer): void {
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] ?? 0);
  if (sum !== number(header, 148, 8)) throw malformed("a header's checksum is wrong");
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

/** Octal digits; undefined for anything else. */
function number(header: Buffer, start: number, length: number): number | undefined {
  const digits = text(header, start, length).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function malformed(what: string): MirrorError {
  return new MirrorError("malformed", `not a tar file as Hex makes them: ${what}`);
}
