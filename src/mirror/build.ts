/** Signs the registry anew from the tarballs in the folder. Only files whose content changes are written. */
import { readFile, rm } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import pLimit from "p-limit";
import { describeError } from "../errors.ts";
import { verifyRecord, type HexUpstream } from "../fetch/hex.ts";
import { publicKeyPem } from "../hex/keys.ts";
import type { Package } from "../hex/records.ts";
import { isSignedBy, unwrap, wrap, type SignedResource } from "../hex/signed.ts";
import { readTarball } from "../hex/tarball.ts";
import { buildRegistry, type HeldRelease } from "../registry/registry.ts";
import { listFolder, readIfPresent, removeLeftovers, writeAtomic, writeIfChanged } from "../store/atomic.ts";
import { listTarballs, type HeldTarball } from "../store/inventory.ts";
import { writeMirrorFile } from "../store/mirror-file.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { asOnlyWriter, registryName, heldRecordsKey, upstreamRepository, type Context } from "./context.ts";

export interface BuildResult {
  readonly packages: number;
  readonly releases: number;
  /** Resources that were written, or would be with --dry-run: `names`, `packages/jason`. */
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
  const repository = await registryName(context);
  const { releases: read, corrupt } = await readReleases(await listTarballs(paths));
  const names = new Set(read.map(({ metadata }) => metadata.name));
  const { records, untrusted } = await readUpstreamRecords(context, names);
  const releases = read.filter(({ metadata }) => !untrusted.has(metadata.name));
  const registry = buildRegistry({ repository, releases, upstream: records });
  const known = new Set(registry.resources.keys());
  const stale = (await listFolder(paths.packagesDir)).map((name) => `packages/${name}`).filter((r) => !known.has(r));

  const written: string[] = [];
  if (!config.dryRun) await removeLeftovers(paths.packagesDir);
  const key = config.dryRun ? undefined : await loadSigningKey(paths, config.newKey);
  for (const [resource, payload] of registry.resources) {
    if (await isCurrent(paths.hex(resource), payload, key)) continue;
    if (key !== undefined) await writeAtomic(paths.hex(resource), wrap(payload, key));
    written.push(resource);
  }
  if (key !== undefined) {
    if (await writeIfChanged(paths.hex("public_key"), publicKeyPem(key))) written.push("public_key");
    await writeMirrorFile(paths, repository);
    for (const resource of stale) await rm(paths.hex(resource), { force: true });
  }
  return {
    packages: registry.packages,
    releases: registry.releases,
    written,
    removed: stale,
    corrupt: [
      ...corrupt,
      ...[...untrusted].map(([name, reason]) => ({ file: `packages/${name}`, reason })),
      ...registry.corrupt.map(({ name, version, reason }) => ({ file: `${name}-${version}.tar`, reason })),
    ],
  };
}

/** A few at a time: they are read whole, and a mirror may hold thousands. */
async function readReleases(
  tarballs: readonly HeldTarball[],
): Promise<{ releases: HeldRelease[]; corrupt: { file: string; reason: string }[] }> {
  const limit = pLimit(4);
  const releases: HeldRelease[] = [];
  const corrupt: { file: string; reason: string }[] = [];
  const read = async ({ path, name, version }: HeldTarball) => {
    try {
      const { metadata, innerChecksum, outerChecksum } = readTarball(await readFile(path));
      if (metadata.name === name && metadata.version === version) {
        releases.push({ metadata, innerChecksum, outerChecksum });
      } else {
        corrupt.push({ file: `${name}-${version}.tar`, reason: `it holds ${metadata.name} ${metadata.version}` });
      }
    } catch (error) {
      corrupt.push({ file: `${name}-${version}.tar`, reason: describeError(error) });
    }
  };
  await Promise.all(tarballs.map((tarball) => limit(() => read(tarball))));
  return { releases, corrupt };
}

/** A record that cannot be trusted stops its own package, not the registry. */
async function readUpstreamRecords(
  context: Context,
  names: ReadonlySet<string>,
): Promise<{ records: Map<string, Package>; untrusted: Map<string, string> }> {
  const { paths } = context;
  const upstream: HexUpstream = { url: "", repository: upstreamRepository, publicKey: await heldRecordsKey(context) };
  const records = new Map<string, Package>();
  const untrusted = new Map<string, string>();
  for (const name of names) {
    const file = paths.upstreamPackage(upstreamRepository, name);
    const bytes = await readIfPresent(file);
    if (bytes === undefined) continue;
    try {
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
