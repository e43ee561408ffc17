/**
 * Makes an OCI image of a mirror: each layer is written and hashed once, and kept under its digest; what an earlier image of the
 * same place has already is not written again. The index comes last, so that a layout is whole or is what it was.
 */
import { MirrorError } from "../errors.ts";
import type { Place } from "../disk/place.ts";
import { syncFile } from "../disk/sync.ts";
import { isBegun } from "./alone.ts";
import type { Contents, LeftOut, PackedFile, PackedLayer } from "./contents.ts";
import {
  annotationOf,
  digestOf,
  documentOf,
  isGzipped,
  makeConfig,
  makeIndex,
  makeManifest,
  type ImageLayer,
  type ImageParts,
} from "./image.ts";
import { blobPlace, filePlace, isIntact, isPacked, layoutPlace, readImage, writeStream, type Image } from "./layout.ts";
import { extract } from "./extract.ts";
import { changesSince, readEarlier, unfitIn } from "./onto.ts";
import { mirrorFolder } from "./parts.ts";
import { tarOf } from "./tar.ts";

/** What an image may have, its base's among them: container engines take some more. */
export const maxLayers = 100;

export interface PackOptions {
  /** Absolute: a folder, or a file where it is a tar archive. */
  readonly out: string;
  readonly isArchive: boolean;
  /** `mirror:latest` */
  readonly tag: string;
  readonly base: Image | undefined;
  /** An earlier image of the same mirror, whose layers stay. */
  readonly onto: Image | undefined;
  readonly withPrivate: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  /** Told what is worth knowing, as a sentence. */
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Packed {
  /** Of the manifest. */
  readonly digest: string;
  /** Of all layers, the base's among them. */
  readonly bytes: number;
  readonly layers: number;
  /** Of those that neither the earlier image has nor what was packed to the same place before. */
  readonly changedBytes: number;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Before anything is read or written: what is no image of a mirror is somebody's, and stays.
 * @throws MirrorError `config`
 */
export async function requireOwn({ out, isArchive }: Pick<PackOptions, "out" | "isArchive">): Promise<void> {
  const place = isArchive ? filePlace(out) : layoutPlace(out);
  const found = place.look();
  if (found === undefined) return;
  const refuse = (what: string) =>
    new MirrorError("config", `${out} ${what}; give another name, or that of an image that was packed before`);
  if (isArchive) {
    if (found.isDirectory()) throw new MirrorError("config", `${out} is a folder; --tar makes a file`);
    if (!(await isPacked(place))) throw refuse("is a file of something else");
    return;
  }
  if (!found.isDirectory())
    throw new MirrorError("config", `${out} is a file; say --tar for an archive, or give another name`);
  if (!(await isBegun(place))) return;
  if (!place.at("oci-layout").isFile()) throw refuse("holds something else");
  // One that was begun, and nobody has finished.
  if (!place.at("index.json").isFile()) return;
  const image = await readImage({ where: out, folder: place, close: async () => undefined }).catch(() => undefined);
  if (image?.manifest.annotations?.[annotationOf.format] === undefined) throw refuse("holds another image");
}

/** @throws MirrorError */
export async function pack(contents: Contents, options: PackOptions): Promise<Packed> {
  const { out, isArchive } = options;
  if (!isArchive) return packInto(layoutPlace(out), contents, options);
  const file = filePlace(out);
  const [laidOut, archive] = [file.temporary(), file.temporary()];
  try {
    const folder = layoutPlace(laidOut.path);
    const packed = await packInto(folder, contents, options);
    await writeStream(archive, tarOf(await archived(folder, options.tag, packed)));
    await syncFile(archive);
    await archive.moveTo(file);
    return packed;
  } finally {
    await laidOut.remove();
    await archive.remove();
  }
}

async function packInto(folder: Place, contents: Contents, options: PackOptions): Promise<Packed> {
  const { base, onto, annotations, tag } = options;
  await folder.at("oci-layout").writeIfChanged(documentOf({ imageLayoutVersion: "1.0.0" }));
  const held = new Set((await folder.at("blobs/sha256").list("file")).map((name) => `sha256:${name}`));
  const earlier = onto === undefined ? undefined : await layersOnto(folder, onto, contents, options);
  const layers = earlier ?? (await allLayers(folder, contents, options));
  for (const descriptor of base?.manifest.layers ?? []) await takeBlob(folder, base, descriptor.digest);
  const parts: ImageParts = {
    base: base === undefined ? undefined : { config: base.config, layers: base.manifest.layers },
    layers,
    annotations,
  };
  const config = makeConfig(parts);
  const manifest = makeManifest(config, parts);
  for (const document of [config, manifest]) await blobPlace(folder, digestOf(document)).writeIfChanged(document);
  const platform = base?.config ?? { architecture: "amd64", os: "linux" };
  await folder.at("index.json").writeIfChanged(makeIndex(manifest, tag, platform));
  const all = [...(base?.manifest.layers ?? []), ...layers];
  await removeOthers(folder, [digestOf(config), digestOf(manifest), ...all.map(({ digest }) => digest)]);
  const known = new Set([...held, ...(onto?.manifest.layers ?? []).map(({ digest }) => digest)]);
  const bytesOf = (some: readonly { readonly size: number }[]) => some.reduce((sum, { size }) => sum + size, 0);
  return {
    digest: digestOf(manifest),
    bytes: bytesOf(all),
    layers: all.length,
    changedBytes: bytesOf(all.filter(({ digest }) => !known.has(digest))),
    leftOut: contents.leftOut,
  };
}

async function allLayers(folder: Place, { layers }: Contents, options: PackOptions): Promise<ImageLayer[]> {
  requireRoom(layers.length, options);
  const written: ImageLayer[] = [];
  for (const layer of layers) written.push(await writeLayer(folder, layer, options));
  return written;
}

/** What stands where the mirror comes to lie would be mixed with it. @throws MirrorError `config` */
export async function requireWithoutMirror(base: Image, signal: AbortSignal): Promise<void> {
  const refuse = async () => {
    throw new MirrorError(
      "config",
      `--base: ${base.layout.where} holds a mirror already; give mirror-server's own image`,
    );
  };
  await extract(base, { from: 0, signal }, { file: refuse, gone: refuse });
}

function requireRoom(count: number, { base }: PackOptions): void {
  const ofBase = base?.manifest.layers.length ?? 0;
  if (ofBase + count > maxLayers) {
    throw new MirrorError("config", `--base has ${ofBase} layers, and with ${count} of the mirror's that is too many`);
  }
}

/** @returns undefined where the earlier image has as many layers as one may have */
async function layersOnto(
  folder: Place,
  onto: Image,
  contents: Contents,
  options: PackOptions,
): Promise<ImageLayer[] | undefined> {
  const base = options.base?.manifest.layers ?? [];
  const earlier = onto.manifest.layers;
  const own = earlier.slice(base.length).flatMap(({ digest, size, annotations }): ImageLayer[] => {
    const name = annotations?.[annotationOf.layer];
    return name === undefined ? [] : [{ name, digest, size }];
  });
  const isOnBase = base.every(({ digest }, index) => earlier[index]?.digest === digest);
  if (
    !isOnBase ||
    own.length !== earlier.length - base.length ||
    earlier.slice(base.length).some((layer) => isGzipped(layer))
  ) {
    options.note("the image before has another base, or was changed on its way, so that all layers are packed anew");
    return undefined;
  }
  const before = await readEarlier(onto, { from: base.length, signal: options.signal });
  const unfit = unfitIn(before, contents, options.withPrivate);
  if (unfit !== undefined) {
    options.note(`a layer of the image before has ${unfit}, so that all are packed anew`);
    return undefined;
  }
  const changes = await changesSince(before, contents);
  const isChanged = changes.files.length > 0;
  if (isChanged && earlier.length + 1 > maxLayers) {
    options.note(`the image before has ${earlier.length} layers, so that all are packed anew`);
    return undefined;
  }
  for (const { digest } of own) await takeBlob(folder, onto, digest);
  return isChanged ? [...own, await writeLayer(folder, changes, options)] : own;
}

async function writeLayer(folder: Place, { name, files }: PackedLayer, { signal }: PackOptions): Promise<ImageLayer> {
  if (signal.aborted) throw new MirrorError("cancelled", "packing was stopped; what was packed before stays");
  const temporary = blobPlace(folder, digestOf(Buffer.from(name))).temporary();
  try {
    const { digest, size } = await writeStream(temporary, tarOf(files.map(inImage)));
    const place = blobPlace(folder, digest);
    // What is there as it should be keeps its time, by which rsync tells that it need not go again.
    if (!(await isIntact(place, digest))) {
      await syncFile(temporary);
      await temporary.moveTo(place);
    }
    return { name, digest, size };
  } finally {
    await temporary.remove();
  }
}

function inImage(file: PackedFile): PackedFile {
  return { ...file, path: `${mirrorFolder}/${file.path}` };
}

/** Of another layout, where it was found to be what its name says. */
async function takeBlob(folder: Place, image: Image | undefined, digest: string): Promise<void> {
  const [from, to] = [
    image === undefined ? undefined : blobPlace(image.layout.folder, digest),
    blobPlace(folder, digest),
  ];
  if (from === undefined || from.path === to.path) return;
  if (!(await isIntact(to, digest))) await from.copyTo(to);
}

/** What an earlier image had in the same layout. */
async function removeOthers(folder: Place, digests: readonly string[]): Promise<void> {
  const blobs = folder.at("blobs/sha256");
  const kept = new Set(digests.map((digest) => digest.slice("sha256:".length)));
  for (const name of await blobs.list("file")) {
    if (/^[0-9a-f]{64}$/.test(name) && !kept.has(name)) await blobs.at(name).remove();
  }
}

/** With the list that Docker reads, which knew no layouts before its version 25. */
async function archived(folder: Place, tag: string, { digest }: Packed): Promise<PackedFile[]> {
  const manifest = JSON.parse((await blobPlace(folder, digest).read())?.toString("utf8") ?? "{}") as {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  };
  const nameOf = ({ digest: each }: { readonly digest: string }) => `blobs/sha256/${each.slice("sha256:".length)}`;
  const ofDocker = documentOf([
    { Config: nameOf(manifest.config), RepoTags: [tag], Layers: manifest.layers.map((each) => nameOf(each)) },
  ]);
  const names = [
    "oci-layout",
    "index.json",
    ...new Set([digest, manifest.config.digest].map((each) => nameOf({ digest: each }))),
  ];
  const all = [...names, ...new Set(manifest.layers.map((each) => nameOf(each)))].map((path) => ({
    path,
    content: folder.at(path),
    size: folder.at(path).look()?.size ?? 0,
  }));
  return [...all, { path: "manifest.json", content: ofDocker, size: ofDocker.length }];
}
