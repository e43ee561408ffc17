/**
 * `rebar.lock` text → entries. Erlang terms, written by rebar3; every version of the file is read:
 *
 *   [{<<"cowlib">>,{pkg,<<"cowlib">>,<<"2.9.1">>},1}].                                          without a version
 *   {"1.2.0",[…entries…]}. [{pkg_hash,[{<<"cowlib">>,<<"INNER">>}]},{pkg_hash_ext,[{…,<<"OUTER">>}]}].
 *
 * A git entry is `{git, URL, {ref, REVISION}}`, or `{git_subdir, URL, {ref, REVISION}, DIR}`. The file does not tell
 * which Hex repository a package is of; rebar3 asks all that are configured, and hexpm is taken here.
 * Source: rebar3's apps/rebar/src/rebar_config.erl and rebar_git_resource.erl.
 */
import { MirrorError, describeError } from "../errors.ts";
import { readErlangTerms, textOf, type ErlangTerm } from "../hex/erlang-terms.ts";
import { isPackageName } from "../names/hex-names.ts";
import { isVersion } from "../names/versions.ts";
import { hexpm } from "../names/hex-repository.ts";
import type { GitEntry, LockEntry } from "./entries.ts";
import { refuseConflictMarkers } from "./conflict-markers.ts";

const maxSize = 8 * 1024 * 1024;

/** @param where the file's name, for errors @throws MirrorError `lock_syntax` */
export function readRebarLock(source: string, where: string): LockEntry[] {
  if (source.length > maxSize) throw new MirrorError("lock_syntax", `${where}: larger than ${maxSize} bytes`);
  refuseConflictMarkers(source, where, "rebar3 get-deps");
  let terms: ErlangTerm[];
  try {
    terms = readErlangTerms(source, where);
  } catch (cause) {
    throw new MirrorError("lock_syntax", describeError(cause));
  }
  const [first, second] = terms;
  if (first === undefined) return [];
  const list = first.type === "tuple" ? first.items[1] : first;
  const inner = hashes(second, "pkg_hash");
  const outer = hashes(second, "pkg_hash_ext");
  if (list?.type !== "list") throw new MirrorError("lock_syntax", `${where}: a rebar.lock is a list of dependencies`);
  return list.items.map((item) => readEntry(item, { where, inner, outer }));
}

interface Reading {
  readonly where: string;
  readonly inner: ReadonlyMap<string, string>;
  readonly outer: ReadonlyMap<string, string>;
}

function readEntry(term: ErlangTerm, { where, inner, outer }: Reading): LockEntry {
  const [name, source] = term.type === "tuple" ? term.items : [];
  const app = textOf(name);
  const parts = source?.type === "tuple" ? source.items : [];
  const kind = parts[0]?.type === "atom" ? parts[0].name : undefined;
  const fail = (what: string) => new MirrorError("lock_syntax", `${where}: the entry "${app ?? "?"}": ${what}`);
  if (app === undefined || kind === undefined) throw fail("is not {NAME, {SOURCE, …}, LEVEL}");
  if (kind === "pkg") {
    const [, packageName, version] = parts.map(textOf);
    if (packageName === undefined || !isPackageName(packageName)) throw fail("names no package");
    if (version === undefined || !isVersion(version)) throw fail("names no version");
    const checksums = [inner.get(app), outer.get(app)];
    if (checksums.some((checksum) => checksum !== undefined && !/^[0-9a-f]{64}$/.test(checksum))) {
      throw fail("a checksum is not 64 hex digits");
    }
    const [innerChecksum, outerChecksum] = checksums;
    return { kind: "hex", app, name: packageName, version, repository: hexpm, innerChecksum, outerChecksum };
  }
  if (gitKinds.has(kind)) return readGitSource(parts, app, fail);
  // A resource of a plugin's, which fetches from what stands within: {my_resource, {git, URL, {ref, REVISION}}}
  const within = gitSourceIn(parts);
  if (within !== undefined) return readGitSource(within, app, fail);
  return { kind: "skipped", app, reason: `source ${kind} is neither Hex nor git`, isPath: kind === "path" };
}

const gitKinds = new Set(["git", "git_subdir"]);
// Deeper than any resource nests them.
const maxDepth = 8;

/** The first tuple of git's within others. */
function gitSourceIn(items: readonly ErlangTerm[], depth = 0): readonly ErlangTerm[] | undefined {
  for (const item of items) {
    if ((item.type !== "tuple" && item.type !== "list") || depth > maxDepth) continue;
    const [first] = item.items;
    const isGit = item.type === "tuple" && first?.type === "atom" && gitKinds.has(first.name);
    const found = isGit ? item.items : gitSourceIn(item.items, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `{git, URL, {ref, REVISION}}`, `{git_subdir, URL, {ref, REVISION}, DIR}` @throws what `fail` makes */
function readGitSource(
  [, url, reference, folder]: readonly ErlangTerm[],
  app: string,
  fail: (what: string) => MirrorError,
): GitEntry {
  const [type, id] = reference?.type === "tuple" ? reference.items : [];
  const urlText = textOf(url);
  const revision = textOf(id)?.toLowerCase() ?? "";
  if (urlText === undefined) throw fail("has no URL");
  if (type?.type !== "atom" || type.name !== "ref" || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(revision)) {
    throw fail("names no commit");
  }
  const subdir = textOf(folder);
  return { kind: "git", app, url: urlText, revision, options: subdir === undefined ? {} : { subdir } };
}

/** `{pkg_hash, [{NAME, HEX}]}` of the second term, by name, in lower case. */
function hashes(term: ErlangTerm | undefined, key: string): Map<string, string> {
  const found = (term?.type === "list" ? term.items : []).find(
    (item) => item.type === "tuple" && item.items[0]?.type === "atom" && item.items[0].name === key,
  );
  const list = found?.type === "tuple" ? found.items[1] : undefined;
  const pairs = (list?.type === "list" ? list.items : []).map((item) => (item.type === "tuple" ? item.items : []));
  return new Map(pairs.map(([name, hash]) => [textOf(name) ?? "", (textOf(hash) ?? "").toLowerCase()]));
}
