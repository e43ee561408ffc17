/**
 * Packs a mirror as an OCI image. What is signed and listed is read as the only writer, in a moment. Of what is large, repositories
 * are kept from others until they are packed, tarballs never change, and for documentation that is replaced meanwhile it begins anew.
 */
import { takeWritersLock } from "../disk/writers-lock.ts";
import { MirrorError } from "../errors.ts";
import { fingerprint } from "../hex/keys.ts";
import { keepEmptyFolders } from "../git/empty-folders.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { hexpm } from "../names/hex-repository.ts";
import { alone, lockBeside, lockInside } from "../pack/alone.ts";
import { contentsOf } from "../pack/contents.ts";
import { annotationOf } from "../pack/image.ts";
import { filePlace, layoutPlace, openLayout, readImage, type Image, type Layout } from "../pack/layout.ts";
import { maxLayers, pack as packImage, requireOwn, requireWithoutMirror, type Packed } from "../pack/pack.ts";
import { readSigningKey, requireSignature, signatureFileOf, signatureOf } from "../pack/signature.ts";
import { asOnlyWriter, requireMirror, type Context } from "../store/context.ts";
import { listRepositories } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { publishedKey } from "../store/published-key.ts";
import { lookAtUpstreams } from "../store/trust.ts";

// How often it begins anew because another repository came.
const patience = 20;

export type PackKey = "nearby" | "tag" | "base" | "onto" | "sign" | "withPrivate" | "readOnly";

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
  const { reporter, signal } = context;
  await requireMirror(context);
  requireElsewhere(context, out);
  await requireOwn({ out, isArchive });
  const onWait = () => reporter.note(`another process packs to ${out}; waiting for it`);
  const lock = isArchive ? lockBeside(out) : lockInside(out);
  const folder = layoutPlace(out);
  const isNew = !isArchive && folder.look() === undefined;
  try {
    return await alone({ lock, onWait, signal }, async (until) =>
      packAlone({ ...context, signal: until }, { out, isArchive }, gitEnvironments),
    );
  } finally {
    if (isNew) await folder.removeIfEmpty();
  }
}

async function packAlone(
  context: Context<PackKey>,
  { out, isArchive }: { readonly out: string; readonly isArchive: boolean },
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<PackResult> {
  const { config, paths, reporter, signal } = context;
  const { withPrivate } = config;
  const tag = config.tag.includes(":") ? config.tag : `mirror:${config.tag}`;
  const file = signatureFileOf(out);
  const wasSigned = await requireSignature(file);
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
    if (base !== undefined) await requireWithoutMirror(base, signal);
    const { features } = await gitEnvironments();
    const room = maxLayers - (base?.manifest.layers.length ?? 0);
    const list = async () => contentsOf(paths, { withPrivate, maxLayers: room, features });
    const packed = await keepingRepositories(context, list, async (contents) => {
      if (contents.layers.length === 0) {
        throw new MirrorError("config", `there is nothing to pack in ${paths.mirror.path}; sync it first`);
      }
      const annotations = await annotationsOf(
        context,
        registryKey === undefined ? undefined : fingerprint(registryKey),
      );
      const note = (text: string) => reporter.note(text);
      return packImage(contents, { out, isArchive, tag, base, onto, withPrivate, annotations, note, signal });
    });
    if (key === undefined) {
      // It was another image's, or may be.
      if (wasSigned) {
        await filePlace(file).remove();
        reporter.note(`${file} was of what lay there before, and is gone; --sign makes another`);
      }
      return { ...packed, out, signature: undefined };
    }
    await filePlace(file).writeIfChanged(signatureOf(packed.digest, key));
    return { ...packed, out, signature: file };
  } finally {
    for (const layout of opened) await layout.close();
  }
}

/** What lies in the mirror would be packed into itself, or written over. @throws MirrorError `config` */
function requireElsewhere({ paths }: Context, out: string): void {
  const { mirror, hex, git, certs, cache } = paths;
  const inside = [mirror, hex, git, certs, cache].find((place) => place.holds(filePlace(out)));
  if (inside === undefined) return;
  throw new MirrorError("config", `${out} lies within ${inside.path}; give a name outside of it`);
}

/** Of a replica nobody has to be kept from. @param list as the only writer @param work begun anew where something is replaced under it */
async function keepingRepositories<Listed, T>(
  context: Context<PackKey>,
  list: () => Promise<Listed>,
  work: (listed: Listed) => Promise<T>,
): Promise<T> {
  const { readOnly } = context.config;
  const listAlone = async (locks: ReadonlyMap<string, unknown>) =>
    asOnlyWriter(
      context,
      async () => {
        const isNew = (await listRepositories(context.paths)).some(({ place }) => !locks.has(place.path));
        // It has just come, and its own writer may be packing it still.
        return isNew ? undefined : { value: await list() };
      },
      "patiently",
    );
  for (let attempt = 1; ; attempt++) {
    // First these: who works on a repository may be waiting for the writers' lock.
    const locks = readOnly ? new Map<string, () => Promise<void>>() : await lockRepositories(context);
    try {
      const listed = readOnly ? { value: await list() } : await listAlone(locks);
      if (listed !== undefined) return await work(listed.value);
    } catch (error) {
      const isPassing = error instanceof MirrorError && error.code === "busy";
      if (!isPassing || attempt === patience) throw error;
    } finally {
      for (const release of locks.values()) await release();
    }
    if (attempt === patience) {
      throw new MirrorError("busy", "repositories come one after the other; pack it when the sync is done");
    }
  }
}

async function lockRepositories({ paths, reporter, signal }: Context): Promise<Map<string, () => Promise<void>>> {
  const locks = new Map<string, () => Promise<void>>();
  try {
    for (const { host, path, place } of await listRepositories(paths)) {
      const onWait = () =>
        reporter.note("is being brought by another process; waiting for it", { kind: "git", host, path });
      const lock = await takeWritersLock(paths.repositoryLock(host, path), { onWait, isPatient: true, signal });
      locks.set(place.path, lock.release);
      // What git dropped as empty is put back, as by serve and sync.
      if (place.isFolder()) await keepEmptyFolders(place).catch(() => undefined);
    }
    return locks;
  } catch (error) {
    for (const release of locks.values()) await release();
    throw error;
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
