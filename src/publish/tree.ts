/**
 * What of a mirror a static host can give: the Hex tree. Clients read names, then a record, then a tarball, so it is published the
 * other way round: what is named is there whenever something names it.
 */
import type { KeyObject } from "node:crypto";
import type { Place } from "../disk/place.ts";
import { isTemporary } from "../disk/temporary.ts";
import { filesBelow } from "../disk/walk.ts";
import { hexDigits } from "../hex/checksums.ts";
import { readPublicKey } from "../hex/keys.ts";
import { decodeNames, decodePackage, decodeVersions } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { MirrorError } from "../errors.ts";
import { isPackageName } from "../names/hex-names.ts";
import { hexpm, servedName } from "../names/hex-repository.ts";
import { isOfOtherRepository, layerOf } from "../pack/parts.ts";
import { listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

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

/**
 * For the only writer: tarballs by their places, and all that may be signed anew meanwhile as it is now.
 * @throws MirrorError `config` where there is no registry that could be published; `integrity` where a part of one is not here
 */
export async function treeOf(paths: StorePaths, { withPrivate }: { readonly withPrivate: boolean }): Promise<Tree> {
  const stages: PublishedFile[][] = stageOf.map(() => []);
  const unsigned: string[] = [];
  await requireSigned(paths);
  const registries = (await listRegistries(paths)).filter(({ repository }) => withPrivate || repository === hexpm);
  const { checksums, records } = await listedIn(registries);
  const missing = new Set([...records, ...checksums.keys()]);
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
    missing.delete(path);
    if (isTarball && checksum === undefined) unsigned.push(path);
    else add(published(path, large.test(path) ? file : ((await file.read()) ?? Buffer.alloc(0)), checksum));
  }
  requireWhole([...missing]);
  // Mix asks for this list in each fresh home, and prints the page of any error to its user.
  const isThere = stages.flat().some(({ path }) => path === installersOfHex);
  if (!isThere) add(published(installersOfHex, Buffer.alloc(0), undefined));
  return { stages: stages.map((stage) => stage.sort((a, b) => (a.path < b.path ? -1 : 1))), unsigned };
}

/** Else clients would find nothing that names anything, and --prune take all that the bucket has. @throws MirrorError `config` */
async function requireSigned(paths: StorePaths): Promise<void> {
  const registry = paths.registry(hexpm);
  const files = [registry.publicKey, registry.resource("names"), registry.resource("versions")];
  const lacking = files.find((file) => !file.isFile());
  if (lacking === undefined) return;
  throw new MirrorError(
    "config",
    `${paths.hex.path} holds no signed registry (${lacking.name} is not there), so nothing is published; run "mirror-server build"`,
  );
}

/** What is named has to be there. @throws MirrorError `integrity` */
function requireWhole(missing: readonly string[]): void {
  const [first, ...more] = missing;
  if (first === undefined) return;
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  throw new MirrorError(
    "integrity",
    `${first}${others}: listed and not here, so nothing is published; run "mirror-server sync" or "build"`,
  );
}

interface Listed {
  /** Paths of records. */
  readonly records: readonly string[];
  /** By a tarball's path, what its record says of it. */
  readonly checksums: ReadonlyMap<string, string>;
}

/** What is named, by paths below the registry. @throws MirrorError `integrity` for what clients would refuse */
async function listedIn(registries: readonly RegistryPaths[]): Promise<Listed> {
  const checksums = new Map<string, string>();
  const records: string[] = [];
  for (const registry of registries) {
    const pem = await registry.publicKey.read();
    // Of one that is none, nothing is served either.
    if (pem === undefined) continue;
    const key = readPublicKey(pem.toString("utf8"), registry.publicKey.path);
    const served = servedName(registry.repository);
    const below = served === undefined ? "" : `repos/${served}/`;
    await verified(registry.resource("names"), key, decodeNames);
    const versions = await verified(registry.resource("versions"), key, decodeVersions);
    records.push(...(versions?.packages ?? []).map(({ name }) => `${below}packages/${name}`));
    for (const name of (await registry.packagesDir.list("file")).filter(isPackageName)) {
      const record = await verified(registry.packagesDir.at(name), key, decodePackage);
      for (const { version, outerChecksum } of record?.releases ?? []) {
        checksums.set(`${below}tarballs/${name}-${version}.tar`, hexDigits(outerChecksum));
      }
    }
  }
  return { records, checksums };
}

async function verified<T>(file: Place, key: KeyObject, decode: (payload: Uint8Array) => T): Promise<T | undefined> {
  const bytes = await file.read();
  try {
    return bytes === undefined ? undefined : decode(verifyAndUnwrap(bytes, key));
  } catch (cause) {
    throw new MirrorError("integrity", `${file.path} cannot be published; run "mirror-server build"`, { cause });
  }
}

function published(path: string, content: Place | Buffer, checksum: string | undefined): PublishedFile {
  const type = path.endsWith(".csv") ? "text/csv" : "application/octet-stream";
  return { path, content, type, cacheControl: checksum === undefined ? mayChange : forEver, checksum };
}
