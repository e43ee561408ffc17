/**
 * The documents of an OCI image, as we write and read them. Only the fields that mean something here; others are read over.
 * https://github.com/opencontainers/image-spec (1.1). Pure.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { MirrorError } from "../errors.ts";

export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

/** What Docker calls the same. */
const manifests: ReadonlySet<string> = new Set([
  mediaTypes.manifest,
  "application/vnd.docker.distribution.manifest.v2+json",
]);
const indexes: ReadonlySet<string> = new Set([
  mediaTypes.index,
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const plainLayers: ReadonlySet<string> = new Set([mediaTypes.layer, "application/vnd.docker.image.rootfs.diff.tar"]);
const gzippedLayers: ReadonlySet<string> = new Set([
  `${mediaTypes.layer}+gzip`,
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
]);

/** Keys of annotations. */
export const annotationOf = {
  format: "io.github.mirror-server.format",
  locks: "io.github.mirror-server.locks",
  registry: "io.github.mirror-server.registry",
  upstream: "io.github.mirror-server.upstream",
  layer: "io.github.mirror-server.layer",
  ref: "org.opencontainers.image.ref.name",
  /** What containerd calls an image that it imports. */
  name: "io.containerd.image.name",
  title: "org.opencontainers.image.title",
} as const;

const digestPattern = /^sha256:[0-9a-f]{64}$/;
const annotations = z.record(z.string(), z.string()).optional();
const descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(digestPattern),
  size: z.number().int().min(0),
  annotations,
  platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
});
// Engines take some hundred layers, and an image has a handful of platforms; anybody may have written what is read.
const descriptors = z.array(descriptor).max(1000);
const indexSchema = z.object({ manifests: descriptors });
const manifestSchema = z.object({ config: descriptor, layers: descriptors, annotations });
const configSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  config: z.looseObject({}).optional(),
  rootfs: z.looseObject({ diff_ids: z.array(z.string().regex(digestPattern)) }),
  history: z.array(z.looseObject({ empty_layer: z.boolean().optional() })).optional(),
});

export type Descriptor = z.infer<typeof descriptor>;
export type Index = z.infer<typeof indexSchema>;
export type Manifest = z.infer<typeof manifestSchema>;
export type ImageConfig = z.infer<typeof configSchema>;

export const isManifest = ({ mediaType }: Descriptor) => manifests.has(mediaType);
export const isIndex = ({ mediaType }: Descriptor) => indexes.has(mediaType);

/** @throws MirrorError `malformed` for what neither we nor a registry make of our layers */
export function isGzipped({ mediaType, digest }: Descriptor): boolean {
  if (plainLayers.has(mediaType)) return false;
  if (gzippedLayers.has(mediaType)) return true;
  throw new MirrorError(
    "malformed",
    `the layer ${digest} is ${mediaType}, which cannot be read here; copy the image so that its layers stay as they are ` +
      "(skopeo: --preserve-digests)",
  );
}

/** @param where named in the error @throws MirrorError `malformed` */
export const readIndex = (bytes: Buffer, where: string): Index => read(indexSchema, bytes, where, "index");
export const readManifest = (bytes: Buffer, where: string): Manifest => read(manifestSchema, bytes, where, "manifest");
export const readConfig = (bytes: Buffer, where: string): ImageConfig =>
  read(configSchema, bytes, where, "configuration");

function read<T>(schema: z.ZodType<T>, bytes: Buffer, where: string, noun: string): T {
  try {
    return schema.parse(JSON.parse(bytes.toString("utf8")));
  } catch (cause) {
    const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const why = issue === undefined ? "" : ` (${issue.path.join(".")}: ${issue.message})`;
    throw new MirrorError("malformed", `${where} is no ${noun} of an OCI image${why}`);
  }
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** One line, and the keys as they are given: the same bytes for the same image. */
export function documentOf(content: object): Buffer {
  return Buffer.from(`${JSON.stringify(content)}\n`);
}

/** A layer of ours. */
export interface ImageLayer {
  readonly name: string;
  readonly digest: string;
  readonly size: number;
}

export interface ImageParts {
  /** What it runs on; undefined: it holds a mirror and nothing to run. */
  readonly base: { readonly config: ImageConfig; readonly layers: readonly Descriptor[] } | undefined;
  readonly layers: readonly ImageLayer[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** @returns bytes of the configuration, and the manifest without it */
export function makeConfig({ base, layers, annotations: labels }: ImageParts): Buffer {
  const known = base?.config ?? { architecture: "amd64", os: "linux", rootfs: { diff_ids: [] } };
  // No date: an unchanged mirror is an unchanged image.
  const { created: _created, ...rest } = known as typeof known & { readonly created?: unknown };
  const run = base === undefined ? {} : { config: running(rest.config ?? {}, labels) };
  return documentOf({
    ...rest,
    ...(base === undefined ? { config: { Labels: labels } } : run),
    rootfs: { type: "layers", diff_ids: [...known.rootfs.diff_ids, ...layers.map(({ digest }) => digest)] },
    history: [...(known.history ?? []), ...layers.map(({ name }) => ({ created_by: `mirror-server pack: ${name}` }))],
  });
}

/** The content lies where the base has its volume, which would have it copied for each container. */
function running(config: Readonly<Record<string, unknown>>, labels: Readonly<Record<string, string>>) {
  const { Volumes: _volumes, Labels: known, Cmd: _command, ...rest } = config;
  return {
    ...rest,
    Cmd: ["serve", "--read-only", "--no-tls"],
    Labels: { ...(known as object | undefined), ...labels },
  };
}

export function makeManifest(config: Buffer, { base, layers, annotations: all }: ImageParts): Buffer {
  const own = layers.map(({ name, digest, size }) => ({
    mediaType: mediaTypes.layer,
    digest,
    size,
    annotations: { [annotationOf.layer]: name },
  }));
  return documentOf({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: digestOf(config), size: config.length },
    layers: [...(base?.layers ?? []), ...own],
    annotations: all,
  });
}

/** @param name `mirror:latest`, `registry.corp.example/team/mirror:1` */
export function makeIndex(manifest: Buffer, name: string, platform: Pick<ImageConfig, "architecture" | "os">): Buffer {
  const { architecture, os } = platform;
  return documentOf({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [
      {
        mediaType: mediaTypes.manifest,
        digest: digestOf(manifest),
        size: manifest.length,
        annotations: { [annotationOf.name]: fullNameOf(name), [annotationOf.ref]: tagOf(name) },
        platform: { architecture, os },
      },
    ],
  });
}

/** Of a name or a tag alone, what stands in an index: `mirror:latest` → `latest` */
export function tagOf(name: string): string {
  return name.slice(name.lastIndexOf(":") + 1);
}

/** As engines complete what has no registry: `mirror:latest` → `docker.io/library/mirror:latest` */
export function fullNameOf(name: string): string {
  const [first = "", ...rest] = name.split("/");
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}
