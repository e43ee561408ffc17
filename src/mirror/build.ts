/** Signs the registries anew from the tarballs in the folder. Only files whose content changes are written. */
import { rm } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import { describeError } from "../errors.ts";
import { verifyRecord, type HexUpstream } from "../fetch/hex.ts";
import { publicKeyPem } from "../hex/keys.ts";
import type { Package } from "../hex/records.ts";
import { hexpm, servedName, signedName } from "../hex/repository.ts";
import { isSignedBy, unwrap, wrap, type SignedResource } from "../hex/signed.ts";
import { buildRegistry } from "../registry/registry.ts";
import { listFolder, readIfPresent, removeLeftovers, writeAtomic, writeIfChanged } from "../store/atomic.ts";
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

/** @throws MirrorError `config` when the registry was signed with a key that is not here */
export async function build(context: Context, { wait = true } = {}): Promise<BuildResult> {
  return context.config.dryRun ? buildAsOnlyWriter(context) : asOnlyWriter(context, buildAsOnlyWriter, wait);
}

/** For callers that hold the writers' lock. */
export async function buildAsOnlyWriter(context: Context): Promise<BuildResult> {
  const { paths, config } = context;
  const name = await registryName(context);
  const key = config.dryRun ? undefined : await loadSigningKey(paths, config.newKey);
  const [main, ...others] = await listRegistries(paths);
  const results: BuildResult[] = [];
  // Others first: what they depend on in hexpm decides which records it has.
  const optional = new Set<string>();
  for (const registry of [...others, ...(main === undefined ? [] : [main])]) {
    const isMain = registry.repository === hexpm;
    const names = isMain
      ? { repository: name, alias: hexpm, optional }
      : { repository: signedName(registry.repository) };
    const built = await buildOne(context, registry, names, key);
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
  names: { readonly repository: string; readonly alias?: string; readonly optional?: Iterable<string> },
  key: KeyObject | undefined,
) {
  const held = await readHeldReleases(paths, context.config.cacheDir);
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

  const written: string[] = [];
  if (key !== undefined) await removeLeftovers(paths.packagesDir);
  for (const [resource, payload] of registry.resources) {
    if (await isCurrent(paths.resource(resource), payload, key)) continue;
    if (key !== undefined) await writeAtomic(paths.resource(resource), wrap(payload, key));
    written.push(resource);
  }
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
  let upstream: HexUpstream | undefined;
  for (const name of names) {
    const file = paths.upstreamPackage(name);
    const bytes = await readIfPresent(file);
    if (bytes === undefined) continue;
    try {
      upstream ??= {
        url: "",
        repository: signedName(paths.repository),
        publicKey: await heldRecordsKey(context, paths.repository),
      };
      records.set(name, verifyRecord(bytes, upstream, name, file));
    } catch (error) {
      untrusted.set(name, describeError(error));
    }
  }
  return { records, untrusted };
}

/** @param key undefined: compare what it says, whoever signed it */
async function isCurrent(path: string, payload: Uint8Array, key: KeyObject | undefined): Promise<boolean> {
  const bytes = await readIfPresent(path);
  if (bytes === undefined) return false;
  let present: SignedResource;
  try {
    present = unwrap(bytes);
  } catch {
    return false;
  }
  return Buffer.compare(present.payload, payload) === 0 && (key === undefined || isSignedBy(present, key));
}
