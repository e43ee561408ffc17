/**
 * An OCI image layout on the disk: `oci-layout`, `index.json`, `blobs/sha256/…`; as a folder, or as a tar archive of one, which
 * is laid out in a temporary folder while it is read. Nothing is taken from one that is not what its digest says.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, dirname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { MirrorError } from "../errors.ts";
import { isFile, isFolder } from "../disk/files.ts";
import { Place } from "../disk/place.ts";
import { hashOf } from "./hash-of.ts";
import { makeScratch } from "../disk/scratch.ts";
import {
  annotationOf,
  digestOf,
  isGzipped,
  isIndex,
  isManifest,
  readConfig,
  readIndex,
  readManifest,
  tagOf,
  type Descriptor,
  type ImageConfig,
  type Manifest,
} from "./image.ts";
import { entriesIn } from "./tar.ts";

export interface Image {
  /** Of its manifest: `sha256:…` */
  readonly digest: string;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly layout: Layout;
}

export interface Layout {
  /** The file or folder that was named. */
  readonly where: string;
  readonly folder: Place;
  /** Takes away what was made to read it. */
  readonly close: () => Promise<void>;
}

// Bytes: a manifest of a hundred layers is some 30 kB.
const maxDocument = 4 * 1024 * 1024;
// What a mirror holds is compressed already, so that honest layers hardly shrink.
const mostFold = 50;
const leastUnzipped = 256 * 1024 * 1024;
/** The first name in an archive of ours. */
const first = "oci-layout";
const blobName = /^blobs\/sha256\/[0-9a-f]{64}$/;

/** A folder that becomes a layout, or is one. @param dir absolute */
export function layoutPlace(dir: string): Place {
  return Place.root({ dir, noun: "an OCI image layout", isOne: (folder) => isFile(`${folder}/oci-layout`) });
}

export function blobPlace(folder: Place, digest: string): Place {
  return folder.at(`blobs/sha256/${digest.slice("sha256:".length)}`);
}

/** A file beside others that are somebody's: written, and nothing else there is touched. @param path absolute */
export function filePlace(path: string): Place {
  return Place.root({ dir: dirname(path), noun: "a folder", isOne: () => true }).at(basename(path));
}

/** @param path absolute @throws MirrorError `config` where there is none, `malformed` */
export async function openLayout(path: string): Promise<Layout> {
  if (isFolder(path)) {
    const folder = layoutPlace(path);
    if (!folder.at("oci-layout").isFile()) throw noLayout(path);
    return { where: path, folder, close: async () => undefined };
  }
  if (!isFile(path)) throw new MirrorError("config", `there is no image in ${path}`);
  const scratch = await makeScratch();
  try {
    const folder = scratch.place();
    await layOut(path, folder);
    if (!folder.at("oci-layout").isFile()) throw noLayout(path);
    return { where: path, folder, close: scratch.remove };
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

function noLayout(path: string): MirrorError {
  return new MirrorError(
    "malformed",
    `${path} is no OCI image layout; "mirror-server pack" makes one, "skopeo copy --preserve-digests docker://… oci:DIR:TAG" ` +
      'fetches one, and so does "docker save" from Docker 25 on',
  );
}

async function layOut(path: string, folder: Place): Promise<void> {
  for await (const { path: entry, kind, bytes } of entriesIn(createReadStream(path), path)) {
    // As "tar -C LAYOUT ." names them.
    const name = entry.replace(/^(?:\.\/)+/, "");
    if (kind === "file" && (name === "oci-layout" || name === "index.json" || blobName.test(name))) {
      await writeStream(folder.at(name), bytes);
    }
  }
}

/** @returns its digest, and how many bytes it has @throws MirrorError `storage`, and what `bytes` throws */
export async function writeStream(
  file: Place,
  bytes: AsyncIterable<Uint8Array>,
): Promise<{ readonly digest: string; readonly size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  try {
    file.parent?.makeFolder();
    const handle = await file.openForWriting();
    try {
      for await (const chunk of bytes) {
        hash.update(chunk);
        size += chunk.length;
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError("storage", `cannot write ${file.path}`, { cause });
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/**
 * The image that a layout holds. @param tag where it holds several; undefined: the only one
 * @throws MirrorError `malformed`, `integrity`, `config`
 */
export async function readImage(layout: Layout, tag?: string): Promise<Image> {
  const { where, folder } = layout;
  const index = folder.at("index.json");
  requireSmall(index, where);
  const bytes = await index.read();
  if (bytes === undefined) throw noLayout(where);
  const all = readIndex(bytes, `${where}/index.json`).manifests;
  const asked = tag === undefined ? undefined : tagOf(tag);
  const tagged = all.filter(({ annotations }) => asked === undefined || annotations?.[annotationOf.ref] === asked);
  const found = new Map<string, Descriptor>();
  // One after the other: anybody may have written it, and each may be as large as a document may be.
  for (const each of byDigest(tagged)) for (const image of await imagesOf(layout, each)) found.set(image.digest, image);
  const different = [...found.values()];
  const [only, ...others] = different;
  if (only === undefined) {
    const which = tag === undefined ? "no image" : `no image called ${tag}`;
    throw new MirrorError("config", `${where} holds ${which}`);
  }
  if (others.length > 0) {
    const names = all.map(({ annotations }) => annotations?.[annotationOf.ref]).filter((name) => name !== undefined);
    throw new MirrorError(
      "config",
      `${where} holds ${different.length} images (${names.join(", ")}); say which with --tag, or copy the one that is ` +
        "meant (skopeo: --override-arch)",
    );
  }
  const manifest = readManifest(await readBlob(layout, only), `${where}: the manifest ${only.digest}`);
  const config = readConfig(await readBlob(layout, manifest.config), `${where}: the configuration`);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new MirrorError("malformed", `${where}: its configuration tells of other layers than its manifest`);
  }
  return { digest: only.digest, manifest, config, layout };
}

/** Of an index, what it lists; attestations that builders add are for no platform. */
async function imagesOf(layout: Layout, descriptor: Descriptor): Promise<Descriptor[]> {
  if (isManifest(descriptor)) return isForSome(descriptor) ? [descriptor] : [];
  if (!isIndex(descriptor)) return [];
  const { manifests } = readIndex(
    await readBlob(layout, descriptor),
    `${layout.where}: the index ${descriptor.digest}`,
  );
  return manifests.filter((each) => isManifest(each) && isForSome(each));
}

const isForSome = ({ platform }: Descriptor) => platform?.os !== "unknown";

function byDigest(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((each) => [each.digest, each])).values()];
}

async function readBlob({ where, folder }: Layout, { digest, size }: Descriptor): Promise<Buffer> {
  const place = blobPlace(folder, digest);
  requireSmall(place, where);
  const bytes = await place.read();
  if (bytes === undefined) throw missing(where, digest);
  if (bytes.length !== size || digestOf(bytes) !== digest) throw damaged(where, digest);
  return bytes;
}

function requireSmall(place: Place, where: string): void {
  if ((place.look()?.size ?? 0) <= maxDocument) return;
  throw new MirrorError("malformed", `${where}: ${place.name} has more than ${maxDocument} bytes`);
}

/** Whether a file is an archive that was packed, by how it begins: any other is somebody's. */
export async function isPacked(file: Place): Promise<boolean> {
  for await (const chunk of read(file)) return chunk.subarray(0, first.length + 1).equals(Buffer.from(`${first}\0`));
  return false;
}

/**
 * A layer's archive, once it is known to be what its digest says: nothing else is looked into.
 * @throws MirrorError `integrity`, `malformed`; where it is compressed, also at its end
 */
export async function openLayer(image: Image, index: number): Promise<Readable> {
  const { layout, manifest, config } = image;
  const descriptor = manifest.layers[index];
  if (descriptor === undefined) throw new MirrorError("malformed", `${layout.where} has no layer ${index}`);
  const { where, folder } = layout;
  const place = blobPlace(folder, descriptor.digest);
  const isCompressed = isGzipped(descriptor);
  if (!place.isFile()) throw missing(where, descriptor.digest);
  if (place.look()?.size !== descriptor.size) throw damaged(where, descriptor.digest);
  if (!(await isIntact(place, descriptor.digest))) throw damaged(where, descriptor.digest);
  const archive = isCompressed ? unzipped(place, where, descriptor.digest) : read(place);
  return Readable.from(matching(archive, config.rootfs.diff_ids[index], damaged(where, descriptor.digest)), {
    objectMode: false,
  });
}

/** Whether a file is there, and is what its name is to say: what has a blob's name may have been damaged since. */
export async function isIntact(blob: Place, digest: string): Promise<boolean> {
  return blob.isFile() && `sha256:${await hashOf(read(blob))}` === digest;
}

/** Opened by who reads it, who so hears of what goes wrong. */
async function* read(place: Place): AsyncGenerator<Buffer> {
  yield* createReadStream(place.verifiedPath(), { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
}

async function* unzipped(place: Place, where: string, digest: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const file = createReadStream(place.verifiedPath());
  pipeline(file, gunzip, () => undefined);
  const most = Math.max(leastUnzipped, (place.look()?.size ?? 0) * mostFold);
  let size = 0;
  try {
    for await (const chunk of gunzip) {
      size += (chunk as Buffer).length;
      if (size > most) throw new MirrorError("refused", `${where}: the layer ${digest} unfolds to more than it can be`);
      yield chunk as Buffer;
    }
  } catch (cause) {
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError("integrity", `${where}: the layer ${digest} cannot be read`, { cause });
  }
}

async function* matching(
  archive: AsyncIterable<Buffer>,
  digest: string | undefined,
  error: MirrorError,
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of archive) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest("hex")}` !== digest) throw error;
}

function missing(where: string, digest: string): MirrorError {
  return new MirrorError("integrity", `${where} lacks ${digest}: not all of the image has arrived; copy it again`);
}

function damaged(where: string, digest: string): MirrorError {
  return new MirrorError(
    "integrity",
    `${where}: ${digest} is not what its name says; copy it again from where it was made`,
  );
}
