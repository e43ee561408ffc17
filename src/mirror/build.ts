/** Signs the registries anew from the tarballs in the folder. Only files whose content changes are written. */
import { createHash, type KeyObject } from "node:crypto";
import pLimit from "p-limit";
import { releaseItem, type Item } from "../artifacts/item.ts";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import { fingerprint, publicKeyPem } from "../hex/keys.ts";
import { isPackageName } from "../hex/names.ts";
import { hexpm, servedName, signedName } from "../hex/repository.ts";
import { isSignedBy, wrap } from "../hex/signed.ts";
import { RegistryBuilder } from "../registry/registry.ts";
import { listRegistries, listTarballs } from "../store/inventory.ts";
import { writeMirrorFile } from "../store/mirror-file.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { readSigned } from "../store/signed-files.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { publishedKey } from "../store/published-key.ts";
import { adoptNothing, judgeReleases, isBeginning, requireHeld, type Adopting } from "../registry/adoption.ts";
import { asOnlyWriter, registryName, requireMirror, tellForeign, type Context } from "./context.ts";
import { readHeldPackages } from "../registry/held-packages.ts";
import { heldRecordsKey, requireGivenKeys } from "./hex-upstreams.ts";
import { readUpstreamRecords, type UpstreamRecords } from "../registry/upstream-records.ts";

export interface BuildResult {
  readonly packages: number;
  readonly releases: number;
  /** Resources that were written, or would be with --dry-run: `names`, `packages/jason`, `repos/acme/names`. */
  readonly written: readonly string[];
  readonly removed: readonly string[];
  /** Releases that are signed now for the first time, although no upstream record covers them. */
  readonly adopted: readonly Item[];
  /** Releases, and packages whose upstream record cannot be trusted, that are left out of the registry, and why. */
  readonly leftOut: readonly { readonly item: Item; readonly reason: string }[];
}

// Small files: what they cost is waiting for the disk.
const atOnce = 32;

export interface BuildOptions {
  /** Whether to wait for another writer. */
  readonly wait?: boolean;
  /** Whether a person asked for it by name, who thereby adopts what lies in a folder with nothing signed yet. */
  readonly isAsked?: boolean;
}

/** @throws MirrorError `config` when the registry was signed with a key that is not here */
export async function build(
  context: Context,
  { wait = true, isAsked = false }: BuildOptions = {},
): Promise<BuildResult> {
  await requireMirror(context);
  await requireGivenKeys(context);
  await tellForeign(context);
  const work = async (locked: Context) => buildAsOnlyWriter(locked, { isAsked });
  return context.config.dryRun ? work(context) : asOnlyWriter(context, work, wait);
}

export interface WriterOptions {
  /** Tarballs and folders that will be gone soon. */
  readonly without?: ReadonlySet<string>;
  readonly isAsked?: boolean;
}

/** For callers that hold the writers' lock. */
export async function buildAsOnlyWriter(
  context: Context,
  { without = new Set(), isAsked = false }: WriterOptions = {},
): Promise<BuildResult> {
  const { paths, config } = context;
  const name = await registryName(context);
  const key = config.dryRun ? undefined : await loadSigningKey(paths, config.newKey);
  // A dry run makes none, and is refused where the run would be.
  const own = key ?? (paths.privateKey.isFile() ? await loadSigningKey(paths, config.newKey) : undefined);
  const published = own === undefined || config.newKey ? await publishedKey(paths) : undefined;
  const verifiers = [own, published].filter((each) => each !== undefined);
  if (config.newKey && own !== undefined && published !== undefined && fingerprint(own) !== fingerprint(published)) {
    context.reporter.note(`what the key ${fingerprint(published)} signed is taken over by the key ${fingerprint(own)}`);
  }
  const registries = (await listRegistries(paths)).filter(({ dir }) => !without.has(dir.path));
  const adopting = isAsked ? await whatToAdopt(context, registries, verifiers) : adoptNothing;
  const [main, ...others] = registries;
  const results: BuildResult[] = [];
  // Others first: what they depend on in hexpm decides which records it has.
  const optional = new Set<string>();
  for (const registry of [...others, ...(main === undefined ? [] : [main])]) {
    const isMain = registry.repository === hexpm;
    const names = isMain
      ? { repository: name, alias: hexpm, optional }
      : { repository: signedName(registry.repository) };
    const built = await buildOne(context, registry, { ...names, without }, { key, verifiers, adopting });
    for (const dependency of built.optionalElsewhere) {
      if (dependency.repository === hexpm) optional.add(dependency.package);
    }
    results.push(built);
  }
  if (key !== undefined) await writeMirrorFile(paths, { registryName: name });
  return {
    packages: results.reduce((sum, { packages }) => sum + packages, 0),
    releases: results.reduce((sum, { releases }) => sum + releases, 0),
    written: results.flatMap(({ written }) => written),
    removed: results.flatMap(({ removed }) => removed),
    adopted: results.flatMap(({ adopted }) => adopted),
    leftOut: results.flatMap(({ leftOut }) => leftOut),
  };
}

async function whatToAdopt(
  { config }: Context,
  registries: readonly RegistryPaths[],
  verifiers: readonly KeyObject[],
): Promise<Adopting> {
  const tarballs = registries.map(async (registry) =>
    (await listTarballs(registry)).map(({ name, version }) => ({ repository: registry.repository, name, version })),
  );
  requireHeld(config.adopt, (await Promise.all(tarballs)).flat());
  return { named: config.adopt, everything: config.adopt.length === 0 && (await isBeginning(registries, verifiers)) };
}

interface Signing {
  /** undefined: write nothing. */
  readonly key: KeyObject | undefined;
  /** Keys whose signature tells of an adoption. */
  readonly verifiers: readonly KeyObject[];
  readonly adopting: Adopting;
}

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
  { key, verifiers, adopting }: Signing,
) {
  const tarballs = (await listTarballs(paths)).filter(({ place }) => !without.has(place.path));
  const packages = new Set(tarballs.map(({ name }) => name));
  const { records, untrusted } = await heldRecords(context, paths, packages);
  if (key !== undefined) for (const place of [paths.dir, paths.packagesDir]) await place.removeLeftovers();
  const builder = new RegistryBuilder(names);
  const writer = await openWriter(context, paths, key);
  const itemOf = (name: string, version: string) => releaseItem({ repository: paths.repository, name }, version);
  const leftOut: { item: Item; reason: string }[] = [];
  const adopted: Item[] = [];
  // A package is signed and written while the next ones are read.
  const write = async () => {
    for await (const held of readHeldPackages(paths, context.paths.cache, tarballs)) {
      const { name, releases, damaged } = held;
      leftOut.push(...damaged.map(({ version, reason }) => ({ item: itemOf(name, version), reason })));
      const found = records.get(name);
      const judged = await judgeReleases(
        paths,
        {
          name,
          releases,
          unreadable: damaged.map(({ version }) => version),
          upstream: untrusted.has(name)
            ? { state: "untrusted" }
            : found === undefined
              ? { state: "none" }
              : { state: "held", record: found },
        },
        { verifiers, adopting },
      );
      leftOut.push(...judged.leftOut.map(({ version, reason }) => ({ item: itemOf(name, version), reason })));
      adopted.push(...judged.adopted.map((version) => itemOf(name, version)));
      const payload = builder.add(name, judged.signed, { record: judged.record, kept: judged.kept });
      if (payload !== undefined) await writer.write(`packages/${name}`, payload);
      // Its signed record stays, so that nobody takes the registry for one that was never signed.
      else if (judged.leftOut.length > 0 || untrusted.has(name)) builder.addNothingOf(name);
    }
    for (const [resource, payload] of builder.finish()) await writer.write(resource, payload);
    return writer.finish();
  };
  const { written, known } = await write().catch(async (error: unknown) => {
    // Nothing may be under way any more when the writers' lock is given back.
    await writer.settled();
    throw error;
  });
  // Whatever else lies there was not written by us.
  const stale = (await paths.packagesDir.list("file"))
    .filter(isPackageName)
    .map((name) => `packages/${name}`)
    .filter((resource) => !known.has(resource));
  if (key !== undefined) {
    if (await paths.publicKey.writeIfChanged(publicKeyPem(key))) written.push("public_key");
    for (const resource of stale) await paths.resource(resource).remove();
  }
  const served = servedName(paths.repository);
  const shown = (resource: string) => (served === undefined ? resource : `repos/${served}/${resource}`);
  const { differing, ...summary } = builder.summary();
  for (const [name, error] of untrusted) {
    leftOut.push({ item: { kind: "record", repository: paths.repository, name }, reason: describeError(error) });
  }
  leftOut.push(...differing.map(({ name, version, reason }) => ({ item: itemOf(name, version), reason })));
  return { ...summary, written: written.map(shown), removed: stale.map(shown), adopted, leftOut };
}

/** A record that cannot be trusted stops its own package, not the registry. */
async function heldRecords(
  context: Context,
  registry: RegistryPaths,
  names: ReadonlySet<string>,
): Promise<UpstreamRecords> {
  if ((await registry.upstreamPackagesDir.list("file")).length === 0)
    return { records: new Map(), untrusted: new Map() };
  // A key that cannot be had is no damage of the records: it ends the build, and nothing changes.
  return readUpstreamRecords(registry, names, await heldRecordsKey(context, registry.repository));
}

interface ResourceWriter {
  /** Begins to sign and write it, where it says something new; resolves when there is room for the next. */
  readonly write: (resource: string, payload: Uint8Array) => Promise<void>;
  /** @returns what was written, or would be without a key, and all that there is, when the last one is done */
  readonly finish: () => Promise<{ written: string[]; known: ReadonlySet<string> }>;
  /** When nothing is being written any more, whatever became of it. */
  readonly settled: () => Promise<void>;
}

async function openWriter(
  { paths: { cache } }: Context,
  paths: RegistryPaths,
  key: KeyObject | undefined,
): Promise<ResourceWriter> {
  // By resource, what lies there and is signed as it should be: reading and verifying it again costs more than all else.
  const signer = key === undefined ? "" : digest(publicKeyPem(key));
  const index = await FileIndex.open(cache, `${paths.dir.path}\0signed`, (value) =>
    typeof value === "string" ? value : undefined,
  );
  const limit = pLimit(atOnce);
  const begun = new Map<string, Promise<boolean>>();
  const write = async (resource: string, payload: Uint8Array): Promise<boolean> => {
    const file = paths.resource(resource);
    const content = `${signer} ${digest(payload)}`;
    const present = await index.get(resource, file, (place) => contentOf(place, key, signer)).catch(() => undefined);
    if (present === content) return false;
    if (key === undefined) return !(await isSame(file, payload));
    await file.write(await wrap(payload, key));
    index.put(resource, file, content);
    return true;
  };
  return {
    write: async (resource, payload) => {
      const done = limit(() => write(resource, payload));
      // It is waited for at the end; until then nobody else hears of a failure.
      done.catch(() => undefined);
      begun.set(resource, done);
      if (limit.pendingCount > atOnce) await done.catch(() => undefined);
    },
    settled: async () => void (await Promise.allSettled(begun.values())),
    finish: async () => {
      const written: string[] = [];
      for (const [resource, done] of begun) if (await done) written.push(resource);
      if (key !== undefined) await index.save();
      return { written, known: new Set(begun.keys()) };
    },
  };
}

/** Digests of the signer's key and of the payload; empty for a file that is damaged or that another key signed. */
async function contentOf(file: Place, key: KeyObject | undefined, signer: string): Promise<string> {
  const resource = await readSigned(file);
  if (resource === undefined || key === undefined || !isSignedBy(resource, key)) return "";
  return `${signer} ${digest(resource.payload)}`;
}

/** Whoever signed it: a dry run has no key. */
async function isSame(file: Place, payload: Uint8Array): Promise<boolean> {
  const resource = await readSigned(file);
  return resource !== undefined && Buffer.compare(resource.payload, payload) === 0;
}

function digest(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("base64");
}
