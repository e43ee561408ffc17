/** Signs the registries anew from the tarballs in the folder. Only files whose content changes are written. */
import { createHash, type KeyObject } from "node:crypto";
import { rm } from "node:fs/promises";
import pLimit from "p-limit";
import { describeError } from "../errors.ts";
import { verifyRecord, type HexUpstream } from "../fetch/hex.ts";
import { publicKeyPem } from "../hex/keys.ts";
import type { Package } from "../hex/records.ts";
import { hexpm, servedName, signedName } from "../hex/repository.ts";
import { isSignedBy, unwrap, wrap, type SignedResource } from "../hex/signed.ts";
import { buildRegistry } from "../registry/registry.ts";
import { listFolder, readIfPresent, removeLeftovers, writeAtomic, writeIfChanged } from "../store/atomic.ts";
import { FileIndex } from "../store/file-index.ts";
import { listRegistries } from "../store/inventory.ts";
import { writeMirrorFile } from "../store/mirror-file.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { asOnlyWriter, registryName, type Context } from "./context.ts";
import { readHeldReleases } from "./held-releases.ts";
import { heldRecordsKey } from "./hex-upstreams.ts";

export interface BuildResult {
  readonly packages: number;
  readonly releases: number;
  /** Resources that were written, or would be with --dry-run: `names`, `packages/jason`, `repos/acme/names`. */
  readonly written: readonly string[];
  readonly removed: readonly string[];
  /** Tarballs, and records with all of their tarballs, that are left out of the registry, and why. */
  readonly corrupt: readonly { readonly file: string; readonly reason: string }[];
}

// Small files: what they cost is waiting for the disk.
const atOnce = 32;

/** @throws MirrorError `config` when the registry was signed with a key that is not here */
export async function build(context: Context, { wait = true } = {}): Promise<BuildResult> {
  return context.config.dryRun ? buildAsOnlyWriter(context) : asOnlyWriter(context, buildAsOnlyWriter, wait);
}

/** For callers that hold the writers' lock. @param without tarballs and folders that will be gone soon */
export async function buildAsOnlyWriter(
  context: Context,
  without: ReadonlySet<string> = new Set(),
): Promise<BuildResult> {
  const { paths, config } = context;
  const name = await registryName(context);
  const key = config.dryRun ? undefined : await loadSigningKey(paths, config.newKey);
  const [main, ...others] = (await listRegistries(paths)).filter(({ dir }) => !without.has(dir));
  const results: BuildResult[] = [];
  // Others first: what they depend on in hexpm decides which records it has.
  const optional = new Set<string>();
  for (const registry of [...others, ...(main === undefined ? [] : [main])]) {
    const isMain = registry.repository === hexpm;
    const names = isMain
      ? { repository: name, alias: hexpm, optional }
      : { repository: signedName(registry.repository) };
    const built = await buildOne(context, registry, { ...names, without }, key);
    for (const dependency of built.optionalElsewhere) {
      if (dependency.repository === hexpm) optional.add(dependency.package);
    }
    results.push(built);
  }
  if (key !== undefined) await writeMirrorFile(paths, name);
  return {
    packages: results.reduce((sum, { packages }) => sum + packages, 0),
    releases: results.reduce((sum, { releases }) => sum + releases, 0),
    written: results.flatMap(({ written }) => written),
    removed: results.flatMap(({ removed }) => removed),
    corrupt: results.flatMap(({ corrupt }) => corrupt),
  };
}

/** @param key undefined: write nothing */
async function buildOne(
  context: Context,
  paths: RegistryPaths,
  {
    without,
    ...names
  }: {
    readonly repository: string;
    readonly alias?: string;
    readonly optional?: Iterable<string>;
    readonly without: ReadonlySet<string>;
  },
  key: KeyObject | undefined,
) {
  const held = await readHeldReleases(paths, context.config.cacheDir, without);
  const { records, untrusted } = await readUpstreamRecords(
    context,
    paths,
    new Set(held.releases.map(({ metadata }) => metadata.name)),
  );
  const releases = held.releases.filter(({ metadata }) => !untrusted.has(metadata.name));
  const registry = buildRegistry({ ...names, releases, upstream: records });
  const stale = (await listFolder(paths.packagesDir))
    .map((name) => `packages/${name}`)
    .filter((resource) => !registry.resources.has(resource));

  if (key !== undefined) await removeLeftovers(paths.packagesDir);
  const written = await writeResources(context, paths, registry.resources, key);
  if (key !== undefined) {
    if (await writeIfChanged(paths.publicKey, publicKeyPem(key))) written.push("public_key");
    for (const resource of stale) await rm(paths.resource(resource), { force: true });
  }
  const served = servedName(paths.repository);
  const shown = (resource: string) => (served === undefined ? resource : `repos/${served}/${resource}`);
  const corrupt = [
    ...held.corrupt,
    ...[...untrusted].map(([name, reason]) => ({ file: `packages/${name}`, reason })),
    ...registry.corrupt.map(({ name, version, reason }) => ({ file: `${name}-${version}.tar`, reason })),
  ];
  return {
    packages: registry.packages,
    releases: registry.releases,
    optionalElsewhere: registry.optionalElsewhere,
    written: written.map(shown),
    removed: stale.map(shown),
    corrupt: corrupt.map(({ file, reason }) => ({ file: shown(file), reason })),
  };
}

/** A record that cannot be trusted stops its own package, not the registry. */
async function readUpstreamRecords(
  context: Context,
  paths: RegistryPaths,
  names: ReadonlySet<string>,
): Promise<{ records: Map<string, Package>; untrusted: Map<string, string> }> {
  const records = new Map<string, Package>();
  const untrusted = new Map<string, string>();
  const limit = pLimit(atOnce);
  if ((await listFolder(paths.upstreamPackagesDir)).length === 0) return { records, untrusted };
  // A key that cannot be had is no damage of the records: it ends the build, and nothing changes.
  const publicKey = await heldRecordsKey(context, paths.repository);
  const upstream: HexUpstream = { url: "", repository: signedName(paths.repository), publicKey };
  const read = async (name: string) => {
    const file = paths.upstreamPackage(name);
    const bytes = await readIfPresent(file);
    if (bytes === undefined) return;
    try {
      records.set(name, verifyRecord(bytes, upstream, name, file));
    } catch (error) {
      untrusted.set(name, describeError(error));
    }
  };
  await Promise.all([...names].map((name) => limit(() => read(name))));
  return { records, untrusted };
}

/** Signs and writes what says something new. @returns what was written, or would be without a key */
async function writeResources(
  { config }: Context,
  paths: RegistryPaths,
  resources: ReadonlyMap<string, Uint8Array>,
  key: KeyObject | undefined,
): Promise<string[]> {
  // By resource, what lies there and is signed as it should be: reading and verifying it again costs more than all else.
  const signer = key === undefined ? "" : digest(publicKeyPem(key));
  const index = await FileIndex.open(config.cacheDir, `${paths.dir}\0signed`, (value) =>
    typeof value === "string" ? value : undefined,
  );
  const limit = pLimit(atOnce);
  const write = async ([resource, payload]: [string, Uint8Array]) => {
    const file = paths.resource(resource);
    const content = `${signer} ${digest(payload)}`;
    const present = await index.get(resource, file, (path) => contentOf(path, key, signer)).catch(() => undefined);
    if (present === content) return undefined;
    if (key === undefined) return (await isSame(file, payload)) ? undefined : resource;
    await writeAtomic(file, await wrap(payload, key));
    index.put(resource, file, content);
    return resource;
  };
  const written = await Promise.all([...resources].map((entry) => limit(() => write(entry))));
  if (key !== undefined) await index.save();
  return written.filter((resource) => resource !== undefined);
}

/** Digests of the signer's key and of the payload; empty for a file that is damaged or that another key signed. */
async function contentOf(path: string, key: KeyObject | undefined, signer: string): Promise<string> {
  const resource = await readSigned(path);
  if (resource === undefined || key === undefined || !isSignedBy(resource, key)) return "";
  return `${signer} ${digest(resource.payload)}`;
}

/** Whoever signed it: a dry run has no key. */
async function isSame(path: string, payload: Uint8Array): Promise<boolean> {
  const resource = await readSigned(path);
  return resource !== undefined && Buffer.compare(resource.payload, payload) === 0;
}

async function readSigned(path: string): Promise<SignedResource | undefined> {
  const bytes = await readIfPresent(path);
  try {
    return bytes === undefined ? undefined : unwrap(bytes);
  } catch {
    return undefined;
  }
}

function digest(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("base64");
}
