/**
 * Brings a mirror's Hex tree to a bucket, stage by stage, and only what the bucket does not have as it is. Nothing is removed
 * unless that is asked for, and then last. A tarball that the bucket has with another content is not replaced: records of before
 * name it by its checksum.
 */
import { createHash } from "node:crypto";
import pLimit from "p-limit";
import { MirrorError } from "../errors.ts";
import { parseTarballName } from "../store/registry-paths.ts";
import type { AcceptedChange } from "../options.ts";
import { layerOf } from "../pack/parts.ts";
import { isConditional, takeLease, type Lease } from "./lease.ts";
import { sha256, type S3, type StoredObject } from "./s3.ts";
import type { PublishedFile, Stage } from "./tree.ts";

export interface PublishOptions {
  readonly concurrency: number;
  readonly prune: boolean;
  readonly dryRun: boolean;
  readonly acceptChanged: readonly AcceptedChange[];
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
}

export interface PublishResult {
  /** Keys, below the prefix. */
  readonly uploaded: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
  /** Bytes that went there. */
  readonly bytes: number;
  /** Whether nobody else could publish meanwhile. */
  readonly isAlone: boolean;
}

/**
 * @param open the store, for as long as a signal says
 * @throws MirrorError `integrity` before anything is named that the bucket does not have
 */
export async function publish(
  stages: readonly Stage[],
  open: (signal: AbortSignal) => S3,
  options: PublishOptions,
): Promise<PublishResult> {
  const { dryRun, signal, note } = options;
  const s3 = open(signal);
  if (dryRun) return publishAs(stages, s3, options, undefined);
  // What is left to be done when the work is stopped.
  const ending = open(new AbortController().signal);
  if (!(await isConditional(s3, ending))) {
    note("the store ignores conditions (If-None-Match), so that nothing keeps another from publishing there at once");
    return publishAs(stages, s3, options, undefined);
  }
  const onWait = () => note("another process publishes there; waiting for it");
  const lease = await takeLease(s3, { signal, onWait, ending });
  try {
    return await publishAs(stages, open(AbortSignal.any([signal, lease.signal])), options, lease);
  } catch (error) {
    // Not that it was stopped, but why.
    if (!signal.aborted) await lease.requireHeld();
    throw error;
  } finally {
    await lease.release().catch(() => undefined);
  }
}

async function publishAs(
  stages: readonly Stage[],
  s3: S3,
  options: PublishOptions,
  lease: Lease | undefined,
): Promise<PublishResult> {
  const { dryRun, prune, concurrency } = options;
  const there = await s3.list();
  const limit = pLimit(concurrency);
  const uploaded: string[] = [];
  let [bytes, unchanged] = [0, 0];
  for (const [index, stage] of stages.entries()) {
    // What names others is for whoever is the only one.
    if (index > 0) await lease?.requireHeld();
    await all(stage, limit, async (file) => {
      for (const key of keysOf(file.path)) {
        const sent = await bring(file, key, there.get(key), { s3, isAlone: lease !== undefined, ...options });
        if (sent === undefined) {
          unchanged += 1;
          continue;
        }
        uploaded.push(key);
        bytes += sent;
      }
    });
  }
  const kept = new Set(stages.flat().flatMap(({ path }) => keysOf(path)));
  const named = prune ? [...there.keys()].filter((key) => isOurs(key) && !kept.has(key)).sort(listsFirst) : [];
  const gone: string[] = [];
  // By what we noted with each: the rest of the bucket is somebody's.
  for (const key of named) if ((await s3.sha256Of(key)) !== undefined) gone.push(key);
  if (!dryRun && gone.length > 0) {
    await lease?.requireHeld();
    for (const key of gone) await s3.remove(key);
  }
  return { uploaded: uploaded.sort(), removed: gone, unchanged, bytes, isAlone: lease !== undefined };
}

/** Nothing more is begun once one has failed, and nothing goes on behind an error. */
async function all(
  files: Stage,
  limit: ReturnType<typeof pLimit>,
  work: (file: PublishedFile) => Promise<void>,
): Promise<void> {
  let error: unknown;
  const one = async (file: PublishedFile) => {
    if (error !== undefined) return;
    await work(file).catch((cause: unknown) => {
      error ??= cause;
    });
  };
  await Promise.all(files.map(async (file) => limit(async () => one(file))));
  if (error !== undefined) throw error;
}

/** Amazon takes a bare `+` in a URL, as Hex asks, for a space. */
function keysOf(path: string): string[] {
  return path.includes("+") ? [path, path.replaceAll("+", " ")] : [path];
}

interface Bringing extends PublishOptions {
  readonly s3: S3;
  readonly isAlone: boolean;
}

/** @returns bytes that went there; undefined: it is there as it is */
async function bring(
  { path, content, type, cacheControl, checksum }: PublishedFile,
  key: string,
  there: StoredObject | undefined,
  { s3, dryRun, acceptChanged, isAlone, signal }: Bringing,
): Promise<number | undefined> {
  if (signal.aborted) throw new MirrorError("cancelled", "publishing was stopped");
  const bytes = Buffer.isBuffer(content) ? content : await content.read();
  if (bytes === undefined) throw new MirrorError("busy", `${path} was removed while it was published; run it again`);
  const digest = sha256(bytes);
  if (checksum !== undefined && checksum !== digest) {
    throw new MirrorError(
      "integrity",
      `${path} is not what its record says; "mirror-server verify --deep" puts it aside`,
    );
  }
  const isImmutable = checksum !== undefined;
  if (there !== undefined) {
    // Of what is encrypted by a key of somebody's, the tag tells nothing.
    if (there.size === bytes.length && there.etag === createHash("md5").update(bytes).digest("hex")) return undefined;
    const noted = await s3.sha256Of(key);
    if (noted === digest) return undefined;
    if (noted === undefined) throw foreign(key);
    if (isImmutable && !isAccepted(path, acceptChanged)) throw replaced(key);
  }
  if (dryRun) return bytes.length;
  const ifAbsent = isImmutable && isAlone && there === undefined;
  const outcome = await s3.put(key, bytes, { type, cacheControl, ifAbsent });
  // Else of a try whose answer was lost, or somebody else's.
  if (outcome === "stored" || (await s3.sha256Of(key)) === digest) return bytes.length;
  throw replaced(key);
}

function foreign(key: string): MirrorError {
  return new MirrorError(
    "config",
    `the bucket has ${key}, which was not put there by mirror-server, and stays; give a prefix of its own: --to s3://BUCKET/PREFIX`,
  );
}

function replaced(key: string): MirrorError {
  const release = parseTarballName(key.slice(key.lastIndexOf("/") + 1));
  const name = release === undefined ? key : `${release.name}@${release.version}`;
  return new MirrorError(
    "integrity",
    `the bucket has another ${key} than this mirror, and clients may have its checksum in their locks; nothing that names ` +
      `it was published. If this mirror is right: --accept-changed ${name}`,
  );
}

function isAccepted(path: string, accepted: readonly AcceptedChange[]): boolean {
  const release = parseTarballName(path.slice(path.lastIndexOf("/") + 1));
  return accepted.some(
    ({ name, version }) => name === release?.name && (version === undefined || version === release.version),
  );
}

/** What has the name of something that we put there. Whether it is ours is asked before it goes. */
function isOurs(key: string): boolean {
  return key !== "names" && key !== "versions" && layerOf(`hex/${key.replaceAll(" ", "+")}`) !== undefined;
}

function listsFirst(a: string, b: string): number {
  const order = (key: string) => (/\/(?:tarballs|docs)\/|^(?:tarballs|docs)\//.test(key) ? 1 : 0);
  return order(a) - order(b) || (a < b ? -1 : 1);
}
