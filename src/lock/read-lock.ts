/** A file's bytes → the entries of the lock that it is. Which kind of lock that is, its content tells, whatever it is called. Pure. */
import { MirrorError } from "../errors.ts";
import type { LockEntry, LockKind } from "./entries.ts";
import { readGleamManifest } from "./gleam-manifest.ts";
import { readMixLock } from "./mix-lock.ts";
import { readRebarLock } from "./rebar-lock.ts";

export interface ReadLock {
  readonly kind: LockKind;
  readonly entries: LockEntry[];
}

const readers: Readonly<Record<LockKind, (text: string, where: string) => LockEntry[]>> = {
  mix: readMixLock,
  rebar: readRebarLock,
  gleam: readGleamManifest,
};

/** @param where the file's path, for errors @throws MirrorError `lock_syntax` */
export function readLock(bytes: Buffer, where: string): ReadLock {
  const text = decode(bytes, where);
  const kind = kindOf(text) ?? kindByName(where);
  if (kind === undefined) throw new MirrorError("lock_syntax", `${where}: ${nothingKnown}`);
  return { kind, entries: readers[kind](text, where) };
}

/** Without the mark of its encoding. @throws MirrorError for UTF-16, which PowerShell writes where one says `>` */
function decode(bytes: Buffer, where: string): string {
  const [first = 0, second = 0] = bytes;
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  const isBare = (first === 0 && second !== 0) || (first !== 0 && second === 0 && bytes.length > 1);
  if (isMarked || isBare) {
    throw new MirrorError("lock_syntax", `${where}: it is UTF-16, and what reads locks reads UTF-8; save it as UTF-8`);
  }
  return bytes.toString("utf8").replace(/^\uFEFF/, "");
}

/** Comments come first, in each language; what follows begins `%{` or `[`, `{`, or is a table of TOML. */
function kindOf(text: string): LockKind | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "" && !line.startsWith("#") && !/^%(?!\{)/.test(line)) ?? "";
  if (first.startsWith("%{")) return "mix";
  if (/^(?:packages\s*=\s*\[|\[\[\s*packages\s*\]\])/m.test(text)) return "gleam";
  return /^(?:\[\]|\[\s*\{|\[$|\{\s*")/.test(first) && !/^\{\s*"[^"]*"\s*:/.test(first) ? "rebar" : undefined;
}

function kindByName(where: string): LockKind | undefined {
  if (where.endsWith("rebar.lock")) return "rebar";
  if (where.endsWith("manifest.toml")) return "gleam";
  return where.endsWith("mix.lock") ? "mix" : undefined;
}

const nothingKnown =
  "it is neither a mix.lock, which begins with %{, nor a rebar.lock, which begins with [ or {, nor a manifest.toml of Gleam's";
