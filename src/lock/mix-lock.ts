/**
 * `mix.lock` text → entries. One Elixir map, written by Mix; every form since 2016 is read:
 *
 *   "jason": {:hex, :jason, "1.2.2", INNER, [:mix], DEPS, "hexpm", OUTER}    older ones stop after any element
 *   "phoenix": {:git, "https://github.com/…", REVISION, [branch: "main"]}
 *
 * https://hexdocs.pm/mix/Mix.Project.html and Hex's own lib/hex/utils.ex (`lock/1`)
 */
import { MirrorError } from "../errors.ts";
import { isPackageName, isRepositoryName } from "../names/hex-names.ts";
import { isVersion } from "../names/versions.ts";
import { refuseConflictMarkers } from "./conflict-markers.ts";
import { position, readElixirTerm, type ElixirTerm } from "./elixir-terms.ts";
import type { GitEntry, GitOptions, HexEntry, LockEntry } from "./entries.ts";

// The largest public locks have some 100 kB.
const maxSize = 8 * 1024 * 1024;

/** @param where the file's name, for errors @throws MirrorError `lock_syntax`, with line and column where there are */
export function readMixLock(source: string, where: string): LockEntry[] {
  if (source.length > maxSize) throw new MirrorError("lock_syntax", `${where}: larger than ${maxSize} bytes`);
  refuseConflictMarkers(source, where, "mix deps.get");
  const term = readElixirTerm(source, where);
  const fail: Fail = (at, what) => {
    const { line, column } = position(source, at);
    return new MirrorError("lock_syntax", `${where}:${line}:${column}: ${what}`, { data: { line, column } });
  };
  if (term.type !== "map") throw fail(term.at, "a lock is a map, %{…}");
  const entries = new Map<string, LockEntry>();
  for (const [key, value] of term.pairs) {
    if (key.type !== "string" && key.type !== "atom") throw fail(key.at, "an entry's key is a string or an atom");
    const app = key.type === "string" ? key.text : key.name;
    if (app.includes("\0")) throw fail(key.at, "an entry's key holds a NUL character");
    // Of an entry that a merge has doubled, the last one counts, as to Mix.
    entries.set(app, readEntry(app, value, fail));
  }
  return [...entries.values()];
}

type Fail = (at: number, what: string) => MirrorError;

function readEntry(app: string, value: ElixirTerm, fail: Fail): LockEntry {
  const items = value.type === "tuple" ? value.items : [];
  const source = items[0]?.type === "atom" ? items[0].name : undefined;
  if (source === "hex") return readHexEntry(app, items, value.at, fail);
  if (source === "git") return readGitEntry(app, items, value.at, fail);
  if (source === undefined) throw fail(value.at, `the entry "${app}" is not a tuple that begins with an atom`);
  return { kind: "skipped", app, reason: `source :${source} is neither Hex nor git`, isPath: source === "path" };
}

function readHexEntry(app: string, items: readonly ElixirTerm[], at: number, fail: Fail): HexEntry {
  const [, name, version, inner, , , repository, outer] = items;
  const entry: HexEntry = {
    kind: "hex",
    app,
    name: name?.type === "atom" ? name.name : (textOf(name) ?? ""),
    version: textOf(version) ?? "",
    repository: textOf(repository) ?? "hexpm",
    innerChecksum: textOf(inner)?.toLowerCase(),
    outerChecksum: textOf(outer)?.toLowerCase(),
  };
  const refuse = (what: string) => fail(at, `the entry "${app}": ${what}`);
  if (!isPackageName(entry.name)) throw refuse(`${JSON.stringify(entry.name)} is no package name`);
  if (!isVersion(entry.version)) throw refuse(`${JSON.stringify(entry.version)} is no version`);
  if (!isRepositoryName(entry.repository)) throw refuse(`${JSON.stringify(entry.repository)} is no repository name`);
  for (const checksum of [entry.innerChecksum, entry.outerChecksum]) {
    if (checksum !== undefined && !/^[0-9a-f]{64}$/.test(checksum)) throw refuse("a checksum is not 64 hex digits");
  }
  return entry;
}

function readGitEntry(app: string, items: readonly ElixirTerm[], at: number, fail: Fail): GitEntry {
  const [, url, revision, options] = items;
  const urlText = textOf(url);
  const revisionText = textOf(revision)?.toLowerCase();
  if (urlText === undefined) throw fail(at, `the git entry "${app}" has no URL`);
  if (revisionText === undefined || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(revisionText)) {
    throw fail(at, `the git entry "${app}" names no commit`);
  }
  return { kind: "git", app, url: urlText, revision: revisionText, options: readGitOptions(options) };
}

/** Options that we do not know change nothing about which commit is needed, so they are passed over. */
function readGitOptions(term: ElixirTerm | undefined): GitOptions {
  const options: Record<string, string | number | boolean> = {};
  for (const item of term?.type === "list" ? term.items : []) {
    const [key, value] = item.type === "tuple" ? item.items : [];
    if (key?.type !== "atom" || value === undefined) continue;
    const text = textOf(value);
    if (["ref", "tag", "branch", "sparse", "subdir"].includes(key.name) && text !== undefined) options[key.name] = text;
    if (key.name === "depth" && value.type === "number") options["depth"] = value.value;
    if (key.name === "submodules" && value.type === "atom") options["submodules"] = value.name === "true";
  }
  return options;
}

function textOf(term: ElixirTerm | undefined): string | undefined {
  return term?.type === "string" ? term.text : undefined;
}
