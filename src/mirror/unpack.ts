/**
 * Takes a mirror from an OCI image, and looks at all of it first: the image is the one that was signed where that is asked for,
 * each blob is what its name says, and what the mirror holds is what its own records say. Then it gets its place.
 */
import { basename, dirname, join } from "node:path";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { fingerprint } from "../hex/keys.ts";
import { makeScratch } from "../disk/scratch.ts";
import { alone, lockBeside } from "../pack/alone.ts";
import { openLayout, readImage, type Image } from "../pack/layout.ts";
import { readVerifyingKey, requireSigned, signatureFileOf } from "../pack/signature.ts";
import { layOutMirror, putBack, replaceMirror, requireMovable, type Replaced } from "../pack/unpack.ts";
import type { Context } from "../store/context.ts";
import { requireRoom } from "../store/context.ts";
import { StorePaths, type StoreFolders } from "../store/paths.ts";
import { publishedKey } from "../store/published-key.ts";
import type { VerifyResult } from "./findings.ts";
import { verifyElsewhere, type ElsewhereKey } from "./verify-elsewhere.ts";

export type UnpackKey = ElsewhereKey | "tag" | "said" | "verifyKey" | "newKey";

export interface UnpackResult extends Replaced {
  /** Of the image. */
  readonly digest: string;
  /** Where the mirror is, as it was named. */
  readonly mirror: string;
  readonly isSigned: boolean;
  /** Fingerprint of the registry's key; undefined: nothing is signed in it. */
  readonly registry: string | undefined;
  readonly checked: number;
  /** What its locks name and it does not hold, such as what was left out for being private. */
  readonly missing: VerifyResult["missing"];
}

/** @param path of the image, absolute @throws MirrorError; then everything is as it was */
export async function unpack(
  context: Context<UnpackKey>,
  path: string,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<UnpackResult> {
  const { config, paths, reporter, signal } = context;
  requireOneFolder(config);
  requireMovable(config.mirror);
  await requireReplaceable(paths);
  const onWait = () => reporter.note(`another process unpacks to ${config.mirror}; waiting for it`);
  return withImage(config, path, async (image, isSigned) =>
    alone({ lock: lockBeside(config.mirror), onWait, signal }, async (until) => {
      const taken = await take({ ...context, signal: until }, image, gitEnvironments);
      return { ...taken, digest: image.digest, mirror: config.mirror, isSigned };
    }),
  );
}

/** For whoever is alone there. */
async function take(
  context: Context<UnpackKey>,
  image: Image,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<Omit<UnpackResult, "digest" | "mirror" | "isSigned">> {
  const { config, paths, signal } = context;
  const { where } = image.layout;
  await putBack(config.mirror);
  // Another may have come while this one waited.
  await requireReplaceable(paths);
  const before = await publishedKey(paths).catch(() => undefined);
  let result: VerifyResult | undefined;
  let registry: string | undefined;
  const check = async (folder: string) => {
    const key = await publishedKey(new StorePaths({ ...config, ...foldersIn(folder) }));
    registry = key === undefined ? undefined : fingerprint(key);
    if (before !== undefined && registry !== fingerprint(before) && !config.newKey) {
      throw new MirrorError(
        "config",
        `the registry in ${config.mirror} is signed by ${fingerprint(before)}, and that of ${where} by ` +
          `${registry ?? "nobody"}: clients would refuse it; say --new-key to take it all the same`,
      );
    }
    result = await verifyElsewhere(context, foldersIn(folder), gitEnvironments);
    requireIntact(result, where);
  };
  const replaced = await replaceMirror(image, config.mirror, { check, signal });
  const { checked = 0, missing = [] } = result ?? {};
  return { ...replaced, registry, checked, missing };
}

/** The same look, at a mirror that is taken nowhere. @throws MirrorError for what is wrong with the image itself */
export async function verifyImage(
  context: Context<UnpackKey>,
  path: string,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<VerifyResult> {
  return withImage(context.config, path, async (image) => {
    const scratch = await makeScratch();
    try {
      const folder = scratch.place();
      await layOutMirror(image, folder, context.signal);
      return await verifyElsewhere(context, foldersIn(folder.path), gitEnvironments);
    } finally {
      await scratch.remove();
    }
  });
}

async function withImage<T>(
  { tag, said, verifyKey }: Pick<Context<UnpackKey>["config"], "tag" | "said" | "verifyKey">,
  path: string,
  work: (image: Image, isSigned: boolean) => Promise<T>,
): Promise<T> {
  const key = verifyKey === undefined ? undefined : await readVerifyingKey(verifyKey);
  const layout = await openLayout(path);
  try {
    const image = await readImage(layout, said.has("tag") ? tag : undefined);
    if (key !== undefined) await requireSigned(image.digest, signatureFileOf(path), key);
    return await work(image, key !== undefined);
  } finally {
    await layout.close();
  }
}

function foldersIn(mirror: string): Omit<StoreFolders, "cacheDir" | "certsDir"> {
  const at = (name: string) => join(mirror, name);
  return { mirror, hexDir: at("hex"), gitDir: at("git"), privateKey: at("private_key.pem") };
}

function requireOneFolder({ mirror, hexDir, gitDir }: StoreFolders): void {
  if ([hexDir, gitDir].every((dir) => dirname(dir) === mirror) && basename(hexDir) === "hex") return;
  throw new MirrorError("config", "an image holds a whole mirror: unpack it without --hex-dir and --git-dir");
}

/** One that signs would lose its key, and what it fetched since; what is none is somebody's. @throws MirrorError `config` */
async function requireReplaceable(paths: StorePaths): Promise<void> {
  await requireRoom(paths);
  if (!paths.mirror.isFolder()) return;
  const key = [paths.mirror.at("private_key.pem"), paths.privateKey].find((place) => place.look() !== undefined);
  const other = (why: string) =>
    new MirrorError(
      "config",
      `${paths.mirror.path} ${why}, and would lose what it holds; give another folder with --mirror`,
    );
  if (key !== undefined) throw other(`signs its own registry (with ${key.path})`);
  if (paths.lastSync.look() !== undefined) throw other("is one that is synced here");
  if (paths.quarantine.isFolder()) throw other("has a quarantine");
}

function requireIntact({ damaged, quarantined = [] }: VerifyResult, path: string): void {
  const [first] = [...quarantined, ...damaged];
  if (first === undefined) return;
  throw new MirrorError(
    "integrity",
    `${path} holds what is not right, so nothing of it is taken; "mirror-server verify --oci ${path}" names all of it`,
    { data: { item: first.item, reason: first.reason } },
  );
}
