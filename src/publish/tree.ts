/**
 * What of a mirror a static host can give: the Hex tree. Clients read names, then a record, then a tarball, so it is published the
 * other way round: what is named is there whenever something names it.
 */
import type { Place } from "../disk/place.ts";
import { isTemporary } from "../disk/temporary.ts";
import { filesBelow } from "../disk/walk.ts";
import { isOfOtherRepository, layerOf } from "../pack/parts.ts";
import type { StorePaths } from "../store/paths.ts";

export interface PublishedFile {
  /** Below the registry: `tarballs/jason-1.4.1.tar` */
  readonly path: string;
  /** A file that never changes, or bytes of one that may change while this goes on. */
  readonly content: Place | Buffer;
  readonly type: string;
  readonly cacheControl: string;
  /** It is what it is for ever: another one of that name is none of ours. */
  readonly isImmutable: boolean;
}

/** What is put first, first. */
export type Stage = readonly PublishedFile[];

const forEver = "public, max-age=31536000, immutable";
// Asked again each time, which costs a client a word.
const mayChange = "no-cache";
const installersOfHex = "installs/hex-1.x.csv";
const stageOf = [
  /\.(?:tar|tar\.gz|ez)$|(?:^|\/)public_key$/,
  /^installs\//,
  /(?:^|\/)(?:packages|policies)\//,
  /(?:^|\/)versions$/,
  /(?:^|\/)names$/,
];

/** For the only writer: tarballs by their places, and all that may be signed anew meanwhile as it is now. */
export async function treeOf(paths: StorePaths, { withPrivate }: { readonly withPrivate: boolean }): Promise<Stage[]> {
  const stages: PublishedFile[][] = stageOf.map(() => []);
  const start = paths.hex.path.length + 1;
  for await (const file of filesBelow(paths.hex, false)) {
    const path = file.path.slice(start).replaceAll("\\", "/");
    const inMirror = `hex/${path}`;
    if (isTemporary(file.name) || layerOf(inMirror) === undefined) continue;
    if (isOfOtherRepository(inMirror) && !withPrivate) continue;
    const stage = stageOf.findIndex((pattern) => pattern.test(path));
    stages[stage === -1 ? 1 : stage]?.push(await published(path, file));
  }
  // Mix asks for this list in each fresh home, and prints the page of any error to its user.
  const isThere = stages.flat().some(({ path }) => path === installersOfHex);
  if (!isThere) stages[1]?.push({ ...(await published(installersOfHex, Buffer.alloc(0))) });
  return stages.map((stage) => stage.sort((a, b) => (a.path < b.path ? -1 : 1)));
}

async function published(path: string, file: Place | Buffer): Promise<PublishedFile> {
  const isTarball = /(?:^|\/)tarballs\//.test(path);
  const isLarge = /\.(?:tar|tar\.gz|ez)$/.test(path);
  const content = isLarge || Buffer.isBuffer(file) ? file : ((await file.read()) ?? Buffer.alloc(0));
  const type = path.endsWith(".csv") ? "text/csv" : "application/octet-stream";
  return { path, content, type, cacheControl: isTarball ? forEver : mayChange, isImmutable: isTarball };
}
