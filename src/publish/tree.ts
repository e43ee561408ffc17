/**
 * What of a mirror a static host can give: the Hex tree. Clients read names, then a record, then a tarball, so it is published the
 * other way round: what is named is there whenever something names it.
 */
import type { Place } from "../disk/place.ts";
import { isTemporary } from "../disk/temporary.ts";
import { filesBelow } from "../disk/walk.ts";
import { hexDigits } from "../hex/checksums.ts";
import { decodePackage } from "../hex/records.ts";
import { isPackageName } from "../names/hex-names.ts";
import { servedName } from "../names/hex-repository.ts";
import { isOfOtherRepository, layerOf } from "../pack/parts.ts";
import { listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import { readSigned } from "../store/signed-files.ts";

export interface PublishedFile {
  /** Below the registry: `tarballs/jason-1.4.1.tar` */
  readonly path: string;
  /** A file that never changes, or bytes of one that may change while this goes on. */
  readonly content: Place | Buffer;
  readonly type: string;
  readonly cacheControl: string;
  /** Of a tarball, as its record has it, SHA-256 in hex digits: it is what it is for ever. undefined: it may change. */
  readonly checksum: string | undefined;
}

/** What is put first, first. */
export type Stage = readonly PublishedFile[];

export interface Tree {
  readonly stages: readonly Stage[];
  /** Tarballs that no record lists: nobody vouches for them. */
  readonly unsigned: readonly string[];
}

const forEver = "public, max-age=31536000, immutable";
// Asked again each time, which costs a client a word.
const mayChange = "no-cache";
const installersOfHex = "installs/hex-1.x.csv";
const large = /\.(?:tar|tar\.gz|ez)$/;
const stageOf = [
  /\.(?:tar|tar\.gz|ez)$|(?:^|\/)public_key$/,
  /^installs\//,
  /(?:^|\/)(?:packages|policies)\//,
  /(?:^|\/)versions$/,
  /(?:^|\/)names$/,
];

/** For the only writer: tarballs by their places, and all that may be signed anew meanwhile as it is now. @throws MirrorError */
export async function treeOf(paths: StorePaths, { withPrivate }: { readonly withPrivate: boolean }): Promise<Tree> {
  const stages: PublishedFile[][] = stageOf.map(() => []);
  const unsigned: string[] = [];
  const checksums = await checksumsIn(paths);
  const start = paths.hex.path.length + 1;
  const add = (file: PublishedFile) => {
    const stage = stageOf.findIndex((pattern) => pattern.test(file.path));
    stages[stage === -1 ? 1 : stage]?.push(file);
  };
  for await (const file of filesBelow(paths.hex, false)) {
    const path = file.path.slice(start).replaceAll("\\", "/");
    const inMirror = `hex/${path}`;
    if (isTemporary(file.name) || layerOf(inMirror) === undefined) continue;
    if (isOfOtherRepository(inMirror) && !withPrivate) continue;
    const isTarball = /(?:^|\/)tarballs\//.test(path);
    const checksum = checksums.get(path);
    if (isTarball && checksum === undefined) unsigned.push(path);
    else add(published(path, large.test(path) ? file : ((await file.read()) ?? Buffer.alloc(0)), checksum));
  }
  // Mix asks for this list in each fresh home, and prints the page of any error to its user.
  const isThere = stages.flat().some(({ path }) => path === installersOfHex);
  if (!isThere) add(published(installersOfHex, Buffer.alloc(0), undefined));
  return { stages: stages.map((stage) => stage.sort((a, b) => (a.path < b.path ? -1 : 1))), unsigned };
}

/** By a tarball's path below the registry, what its record says of it. @throws MirrorError for a record that cannot be read */
async function checksumsIn(paths: StorePaths): Promise<Map<string, string>> {
  const checksums = new Map<string, string>();
  for (const { repository, packagesDir } of await listRegistries(paths)) {
    const served = servedName(repository);
    const below = served === undefined ? "" : `repos/${served}/`;
    for (const name of await packagesDir.list("file")) {
      const signed = isPackageName(name) ? await readSigned(packagesDir.at(name)) : undefined;
      for (const { version, outerChecksum } of signed === undefined ? [] : decodePackage(signed.payload).releases) {
        checksums.set(`${below}tarballs/${name}-${version}.tar`, hexDigits(outerChecksum));
      }
    }
  }
  return checksums;
}

function published(path: string, content: Place | Buffer, checksum: string | undefined): PublishedFile {
  const type = path.endsWith(".csv") ? "text/csv" : "application/octet-stream";
  return { path, content, type, cacheControl: checksum === undefined ? mayChange : forEver, checksum };
}
