/**
 * The checksums that a package's tarball holds of what it downloads while it is compiled: an Elixir map of file names
 * (rustler_precompiled's `checksum-Elixir.Some.Module.exs`, elixir_make's `checksum.exs`), or lines as sha256sum writes them
 * (xla's `checksum.txt`). Pure.
 */
import { readElixirTerm } from "../lock/elixir-terms.ts";
import { isFilePath } from "../names/file-names.ts";
import { MirrorError } from "../errors.ts";

/** File name → SHA-256, 64 lower-case hex digits. */
export type Checksums = ReadonlyMap<string, string>;

/** Of all files of a tarball, by their paths in it. */
export function isChecksumFile(path: string): boolean {
  return /^checksum(?:-Elixir\.[\w.]+)?\.exs$|^checksum\.txt$/.test(path);
}

/** @returns `Some.Module`; undefined where it is of the whole package */
export function moduleOf(path: string): string | undefined {
  return /^checksum-Elixir\.([\w.]+)\.exs$/.exec(path)?.[1];
}

/** @param path for errors, and to tell what it is @throws MirrorError `malformed` */
export function readChecksums(path: string, text: string): Checksums {
  const pairs = path.endsWith(".txt") ? linesOf(text) : termsOf(path, text);
  const found = new Map<string, string>();
  for (const [name, said] of pairs) {
    const [, sha256] = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(said) ?? [];
    if (sha256 === undefined) throw malformed(path, `${JSON.stringify(name)} has no SHA-256`);
    // It becomes the last part of a path.
    if (name.includes("/") || !isFilePath(name)) throw malformed(path, `${JSON.stringify(name)} is no file's name`);
    found.set(name, sha256.toLowerCase());
  }
  return found;
}

function linesOf(text: string): (readonly [string, string])[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const [sha256 = "", name = ""] = line.trim().split(/\s+\*?/);
    return [name, sha256];
  });
}

function termsOf(path: string, text: string): (readonly [string, string])[] {
  let term;
  try {
    term = readElixirTerm(text, path);
  } catch (cause) {
    throw new MirrorError("malformed", `${path} is no map of names and checksums`, { cause });
  }
  if (term.type !== "map") throw malformed(path, "it is no map");
  return term.pairs.map(([key, value]) => {
    if (key.type !== "string" || value.type !== "string")
      throw malformed(path, "it holds more than names and checksums");
    return [key.text, value.text];
  });
}

function malformed(path: string, what: string): MirrorError {
  return new MirrorError("malformed", `${path} cannot be read: ${what}`);
}
