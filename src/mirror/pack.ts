/** Packs a mirror as an OCI image, as the only writer: what is listed is there until it is packed, and what is there is signed. */
import { fingerprint } from "../hex/keys.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { hexpm } from "../names/hex-repository.ts";
import { contentsOf } from "../pack/contents.ts";
import { annotationOf } from "../pack/image.ts";
import { filePlace, openLayout, readImage, type Image, type Layout } from "../pack/layout.ts";
import { maxLayers, pack as packImage, type Packed } from "../pack/pack.ts";
import { readSigningKey, signatureFileOf, signatureOf } from "../pack/signature.ts";
import { asOnlyWriter, requireMirror, type Context } from "../store/context.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { publishedKey } from "../store/published-key.ts";
import { lookAtUpstreams } from "../store/trust.ts";

export type PackKey = "nearby" | "tag" | "base" | "onto" | "sign" | "withPrivate";

export interface PackResult extends Packed {
  /** Where it lies, absolute. */
  readonly out: string;
  /** Of its digest; undefined: it was not signed. */
  readonly signature: string | undefined;
}

/** @param out absolute @throws MirrorError before anything is written, for what a person has to set right */
export async function pack(
  context: Context<PackKey>,
  { out, isArchive }: { readonly out: string; readonly isArchive: boolean },
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<PackResult> {
  const { config, paths, reporter } = context;
  await requireMirror(context);
  const registryKey = await publishedKey(paths);
  const key = config.sign === undefined ? undefined : await readSigningKey(config.sign, registryKey);
  const opened: Layout[] = [];
  const open = async (path: string | undefined): Promise<Image | undefined> => {
    if (path === undefined) return undefined;
    const layout = await openLayout(path);
    opened.push(layout);
    return readImage(layout);
  };
  try {
    const base = await open(config.base);
    const onto = await open(config.onto);
    const { features } = await gitEnvironments();
    const packed = await asOnlyWriter(context, async (locked) => {
      const room = maxLayers - (base?.manifest.layers.length ?? 0);
      const contents = await contentsOf(paths, { withPrivate: config.withPrivate, maxLayers: room, features });
      const annotations = await annotationsOf(locked, registryKey === undefined ? undefined : fingerprint(registryKey));
      const note = (text: string) => reporter.note(text);
      return packImage(contents, {
        out,
        isArchive,
        tag: config.tag,
        base,
        onto,
        annotations,
        note,
        signal: locked.signal,
      });
    });
    if (key === undefined) return { ...packed, out, signature: undefined };
    const file = signatureFileOf(out);
    await filePlace(file).writeIfChanged(signatureOf(packed.digest, key));
    return { ...packed, out, signature: file };
  } finally {
    for (const layout of opened) await layout.close();
  }
}

/** What people ask of an image without taking it: which locks it is for, and by which keys it can be trusted. No date. */
async function annotationsOf({ paths }: Context, registry: string | undefined): Promise<Record<string, string>> {
  const locks = (await readKnownLocks(paths)).map(({ name }) => name);
  const upstream = (await lookAtUpstreams(paths)).upstreams[hexpm];
  return {
    [annotationOf.title]: "A mirror of Hex packages and git repositories",
    [annotationOf.format]: "1",
    [annotationOf.locks]: locks.join(","),
    ...(registry === undefined ? {} : { [annotationOf.registry]: registry }),
    ...(upstream === undefined ? {} : { [annotationOf.upstream]: upstream.key }),
  };
}
