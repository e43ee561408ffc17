/** A file's bytes → the entries of the lock that it is. Which kind of lock that is, its content tells, whatever it is called. Pure. */
import { MirrorError } from "../errors.ts";
import type { LockEntry } from "./entries.ts";
import { readMixLock } from "./mix-lock.ts";
import { readRebarLock } from "./rebar-lock.ts";

export type LockKind = "mix" | "rebar";

export interface ReadLock {
  readonly kind: LockKind;
  readonly entries: LockEntry[];
}

/** @param where the file's path, for errors @throws MirrorError `lock_syntax` */
export function readLock(bytes: Buffer, where: string): ReadLock {
  const text = decode(bytes, where);
  const kind = kindOf(text) ?? kindByName(where);
  if (kind === undefined) throw new MirrorError("lock_syntax", `${where}: ${whatElse(text)}`);
  return { kind, entries: kind === "mix" ? readMixLock(text, where) : readRebarLock(text, where) };
}

/** Without the mark of its encoding. @throws MirrorError for UTF-16, which PowerShell writes where one says `>` */
function decode(bytes: Buffer, where: string): string {
  const [first = 0, second = 0] = bytes;
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  const isBare = (first === 0 && second !== 0) || (first !== 0 && second === 0 && bytes.length > 1);
  if (isMarked || isBare) {
    throw new MirrorError("lock_syntax", `${where}: it is UTF-16, and Mix and rebar3 read UTF-8; save it as UTF-8`);
  }
  return bytes.toString("utf8").replace(/^\uFEFF/, "");
}

/** Comments come first, in either language; what follows begins `%{` or `[`, `{`. */
function kindOf(text: string): LockKind | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "" && !line.startsWith("#") && !/^%(?!\{)/.test(line)) ?? "";
  if (first.startsWith("%{")) return "mix";
  return /^(?:\[\]|\[\s*\{|\[$|\{\s*")/.test(first) && !/^\{\s*"[^"]*"\s*:/.test(first) ? "rebar" : undefined;
}

function kindByName(where: string): LockKind | undefined {
  if (where.endsWith("rebar.lock")) return "rebar";
  return where.endsWith("mix.lock") ? "mix" : undefined;
}

function whatElse(text: string): string {
  if (/^packages = \[/m.test(text)) return "it looks like Gleam's manifest.toml, which is not read";
  return "it is neither a mix.lock, which begins with %{, nor a rebar.lock, which begins with [ or {";
}
