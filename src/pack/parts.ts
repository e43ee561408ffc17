/**
 * What a mirror that travels consists of, by paths below the mirror, and in which layer each goes. Keys, the writers' lock, the
 * quarantine and caches stay where they are: a path that stands here in no line is no part of it, on the way out and on the way
 * in. Pure.
 *
 * What is large and hardly ever changes comes first; what is signed anew with each release comes last. A package is always in
 * the same layer, so that a new one changes a thirtieth of the tarballs, an eighth of the records, and the lists.
 */
import { createHash } from "node:crypto";

/** All of a mirror lies below it in the image. */
export const mirrorFolder = "mirror";

const layersOfTarballs = 32;
const layersOfRecords = 8;
const layersOfFiles = 4;
/** Of git repositories that are too small to have one of their own, and of the others where they are too many for that. */
const layersOfSmallRepositories = 8;
const layersOfLargeRepositories = 32;

interface Part {
  readonly pattern: RegExp;
  /** @param match of the pattern */
  readonly layer: (match: Readonly<Record<string, string>>) => string;
}

const lists = () => "lists";
const ofPackage = ({ source = "", name = "" }) => numbered("records", `${source}/${name}`, layersOfRecords);

/** A Hex repository's folder below `hex`, and its upstream's below `upstream`, `history` and `added`. */
const registry = "(?<source>(?:repos/[a-z0-9][a-z0-9_-]*/)?)";
const source = "(?<source>[a-z0-9_][a-z0-9_-]*(?:/repos/[a-z0-9][a-z0-9_-]*)?)";

const parts: readonly Part[] = [
  {
    pattern: new RegExp(`^hex/${registry}(?:tarballs|docs)/(?<name>[a-z][a-zA-Z0-9_]*)-[\\w.+-]+\\.tar(?:\\.gz)?$`),
    layer: ({ source: of = "", name = "" }) => numbered("tarballs", `${of}${name}`, layersOfTarballs),
  },
  { pattern: /^hex\/installs\/(?<path>[\w./+-]+)$/, layer: () => "installs" },
  { pattern: /^files\/(?<path>.+)$/, layer: ({ path = "" }) => numbered("files", path, layersOfFiles) },
  { pattern: new RegExp(`^hex/${registry}packages/(?<name>\\w+)$`), layer: ofPackage },
  { pattern: new RegExp(`^upstream/${source}/packages/(?<name>\\w+)$`), layer: ofPackage },
  { pattern: new RegExp(`^(?:history|added)/${source}/(?<name>\\w+)\\.jsonl$`), layer: ofPackage },
  { pattern: new RegExp(`^hex/${registry}(?:names|versions|public_key|policies/\\w[\\w.-]*)$`), layer: lists },
  {
    pattern: new RegExp(`^upstream/${source}/(?:names|versions|public_key|validators\\.json|policies/\\w[\\w.-]*)$`),
    layer: lists,
  },
  { pattern: /^(?:mirror\.json|files\.json|upstream\/installers\.json|locks\/[^/]+\.json)$/, layer: lists },
];

/** Of git's own files in a bare repository, those that say what it is, and not what somebody is doing with it. */
const ofGit =
  /^(?:HEAD|config|description|packed-refs|shallow|mirror-access|refs\/.+|objects\/.+|info\/(?:refs|attributes|exclude)|lfs\/objects\/.+|reftable\/.+)$/;
/** Git itself gives no ref such a name. */
const lock = /\.lock$/;
/** A ref may be called so. */
const passing = /(?:^|\/)\.?tmp[-_]/;
const isPassing = (file: string) => lock.test(file) || (!file.startsWith("refs/") && passing.test(file));

/** The layer of a file that is none of a git repository's; undefined: it is no part of a mirror that travels. */
export function layerOf(path: string): string | undefined {
  if (!isPlain(path)) return undefined;
  for (const { pattern, layer } of parts) {
    const match = pattern.exec(path);
    if (match !== null) return layer(match.groups ?? {});
  }
  return undefined;
}

/** `git/HOST/OWNER/REPO.git` and the rest; undefined for what is none of a repository's, or passes. */
export function inRepository(path: string): { readonly repository: string; readonly file: string } | undefined {
  const [, repository, file] = /^git\/((?:[^/]+\/)+?[^/]*\.git)\/(.+)$/.exec(path) ?? [];
  if (repository === undefined || file === undefined) return undefined;
  const isStorable = path.split("/").every((name) => !/^$|^\.{1,2}$|^\.wh\.|[\0\\]/.test(name));
  // What is being made beside it is none, nor is what nobody lists.
  const isListed = repository.split("/").every((name) => !name.startsWith(".") || name.endsWith(".git"));
  return isStorable && isListed && ofGit.test(file) && !isPassing(file) ? { repository, file } : undefined;
}

/** The layer that small repositories share. */
export function layerOfSmall(repository: string): string {
  return numbered("git", repository, layersOfSmallRepositories);
}

/** The layer that large ones share where they are too many. */
export function layerOfLarge(repository: string): string {
  return numbered("git-large", repository, layersOfLargeRepositories);
}

/** Whether a path may be in a mirror that travels. */
export function isPart(path: string): boolean {
  return layerOf(path) !== undefined || inRepository(path) !== undefined;
}

/** Hex repositories besides hexpm: organisations, others, and the mirror's own. */
export function isOfOtherRepository(path: string): boolean {
  if (path.startsWith("hex/repos/")) return true;
  const [, room, rest = ""] = /^(upstream|history|added)\/(.+)$/.exec(path) ?? [];
  return room !== undefined && rest !== "installers.json" && !/^hexpm\/(?!repos\/)/.test(rest);
}

/** `tarballs-07`: the same for the same text, wherever and whenever it is asked. */
function numbered(kind: string, text: string, count: number): string {
  const number = createHash("sha256").update(text).digest().readUInt32BE(0) % count;
  return `${kind}-${String(number).padStart(2, "0")}`;
}

/** Nothing hidden, but below a repository. Layers say by a name with `.wh.` that a file of an earlier one is gone. */
function isPlain(path: string): boolean {
  return path.split("/").every((name) => name !== "" && !name.startsWith(".") && !/[\0\\]/.test(name));
}
