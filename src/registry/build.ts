/**
 * Signs the registries from the tarballs in the folder: all of them, or the packages that a sync brought. Only files whose
 * content changes are written.
 */
import { releaseItem, type Item } from "../names/item.ts";
import { fingerprint } from "../hex/keys.ts";
import { hexpm, servedName, signedName } from "../names/hex-repository.ts";
import type { NamedRelease } from "../options.ts";
import { adoptNothing, isBeginning, requireHeld, type Adopting } from "./adoption.ts";
import { isOwnPolicySigned, signOwnPolicy, signPoliciesAnew } from "./policies.ts";
import { signRegistry, type Signing, type SignedRegistry } from "./sign-registry.ts";
import { isLocal, listRegistries, listTarballs } from "../store/inventory.ts";
import { listAdded } from "../store/added.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryNames } from "./describe-package.ts";
import { writeMirrorFile } from "../store/mirror-file.ts";
import { publishedKey } from "../store/published-key.ts";
import { beginMirror } from "../store/pull-mode.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { noteUnsigned, readUnsigned, unite, type Packages } from "../store/unsigned.ts";
import { asOnlyWriter, registryName, tellForeign, type Context } from "../store/context.ts";
import { heldRecordsKey, requireGivenKeys, type RecordsKey } from "../upstream/hex-repositories.ts";

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

/** The settings by which a registry is signed. */
export type SigningKey = RecordsKey | "registryName" | "newKey" | "policy";

export interface BuildOptions {
  /** Whether to wait for another writer. */
  readonly wait?: boolean;
  /** Tell only. */
  readonly dryRun?: boolean;
  /** What a person who asks for a build adopts by name; none by name: what lies in a folder with nothing signed yet. */
  readonly adopt?: readonly NamedRelease[];
}

/** @throws MirrorError `config` when the registry was signed with a key that is not here */
export async function build(
  context: Context<SigningKey>,
  { wait = true, dryRun = false, adopt }: BuildOptions = {},
): Promise<BuildResult> {
  await requireGivenKeys(context);
  await tellForeign(context);
  const work = async (locked: Context<SigningKey>) => {
    if (!dryRun) await beginMirror(locked);
    return buildAsOnlyWriter(locked, { dryRun, adopt });
  };
  return dryRun ? work(context) : asOnlyWriter(context, work, wait);
}

export interface WriterOptions {
  /** Tarballs and folders that will be gone soon. */
  readonly without?: ReadonlySet<string>;
  readonly dryRun?: boolean;
  readonly adopt?: readonly NamedRelease[] | undefined;
}

/** All of it. For callers that hold the writers' lock. */
export async function buildAsOnlyWriter(
  context: Context<SigningKey>,
  { without = new Set(), dryRun = false, adopt }: WriterOptions = {},
): Promise<BuildResult> {
  const signing = await openSigning(context, { dryRun });
  const registries = (await listRegistries(context.paths)).filter(({ dir }) => !without.has(dir.path));
  const adopting = adopt === undefined ? adoptNothing : await whatToAdopt(adopt, registries, signing);
  const result = await signEach(context, registries, { ...signing, adopting }, { without });
  // What is withdrawn while others are landed says nothing of those.
  if (signing.key !== undefined && without.size === 0) await noteUnsigned(context.paths, new Map());
  return result;
}

/**
 * These packages, and what a writer before left unsigned. For callers that hold the writers' lock.
 * @param packages by Hex repository @param adopting what a person put in
 */
export async function publish(
  context: Context<SigningKey>,
  packages: Packages,
  adopting: Pick<Adopting, "named" | "at"> = adoptNothing,
): Promise<BuildResult> {
  const { paths } = context;
  const only = unite(await readUnsigned(paths), packages);
  const signing = await openSigning(context, { dryRun: false });
  const held = await listRegistries(paths);
  const places = new Set(held.map(({ dir }) => dir.path));
  const added = [...only.keys()].map((name) => paths.registry(name)).filter(({ dir }) => !places.has(dir.path));
  const result = await signEach(
    context,
    [...held, ...added],
    { ...signing, adopting: { everything: false, ...adopting } },
    { only },
  );
  await noteUnsigned(paths, new Map());
  return result;
}

/** What a writer before left unsigned. For callers that hold the writers' lock. */
export async function finishUnsigned(context: Context<SigningKey>): Promise<void> {
  if (!(await isFinished(context))) await publish(context, new Map());
}

/** Whether no writer before left anything unsigned, and the policy says what the configuration says by now. */
export async function isFinished({ paths, config }: Context<SigningKey>): Promise<boolean> {
  if ((await readUnsigned(paths)).size > 0) return false;
  return config.policy === undefined || isOwnPolicySigned(paths, config.policy, await publishedKey(paths));
}

/** The keys; and what is signed before there is anything to list. */
async function openSigning(
  context: Context<SigningKey>,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Omit<Signing, "adopting">> {
  const { paths, config, reporter } = context;
  const key = dryRun ? undefined : await loadSigningKey(paths, config.newKey);
  // A dry run makes none, and is refused where the run would be.
  const own = key ?? (paths.privateKey.isFile() ? await loadSigningKey(paths, config.newKey) : undefined);
  const published = own === undefined || config.newKey ? await publishedKey(paths) : undefined;
  const verifiers = [own, published].filter((each) => each !== undefined);
  if (config.newKey && own !== undefined && published !== undefined && fingerprint(own) !== fingerprint(published)) {
    reporter.note(`what the key ${fingerprint(published)} signed is taken over by the key ${fingerprint(own)}`);
  }
  if (key !== undefined && config.policy !== undefined) await signOwnPolicy(paths, config.policy, key);
  const recordsKey = async (repository: string) => heldRecordsKey(context, repository);
  return { key, verifiers, recordsKey, cache: paths.cache };
}

interface What {
  readonly without?: ReadonlySet<string>;
  /** By Hex repository; undefined: all packages. */
  readonly only?: ReadonlyMap<string, ReadonlySet<string>>;
}

/** @param registries hexpm first */
async function signEach(
  context: Context<"registryName">,
  [main, ...others]: readonly RegistryPaths[],
  signing: Signing,
  { without, only }: What,
): Promise<BuildResult> {
  const name = await registryName(context);
  const results: BuildResult[] = [];
  // Others first: what they depend on in hexpm decides which records it has.
  const optional = new Set<string>();
  for (const registry of [...others, ...(main === undefined ? [] : [main])]) {
    const { repository } = registry;
    const names =
      repository === hexpm
        ? { repository: name, alias: hexpm, optional }
        : { repository: signedName(repository), usual: await usualRepository(context.paths, registry) };
    const packages = only === undefined ? undefined : (only.get(repository) ?? new Set<string>());
    const scope = { ...names, only: packages, ...(without === undefined ? {} : { without }) };
    const signed = await signRegistry(registry, scope, signing);
    for (const dependency of signed.optionalElsewhere) {
      if (dependency.repository === hexpm) optional.add(dependency.package);
    }
    const isWhole = only === undefined && signing.key !== undefined;
    const policies = isWhole ? await signPoliciesAnew(registry, { ...signing, key: signing.key }) : [];
    results.push(resultOf(registry, { ...signed, written: [...signed.written, ...policies] }));
  }
  if (signing.key !== undefined) await writeMirrorFile(context.paths, { registryName: name });
  return {
    packages: results.reduce((sum, { packages }) => sum + packages, 0),
    releases: results.reduce((sum, { releases }) => sum + releases, 0),
    written: results.flatMap(({ written }) => written),
    removed: results.flatMap(({ removed }) => removed),
    adopted: results.flatMap(({ adopted }) => adopted),
    leftOut: results.flatMap(({ leftOut }) => leftOut),
  };
}

/**
 * rebar3 writes requirements without their repository. Of a repository of the mirror's own they are hexpm's, but for what is
 * in it; of what was made by hand elsewhere, its own, as `mix hex.registry build` takes them.
 */
async function usualRepository(paths: StorePaths, registry: RegistryPaths): Promise<RegistryNames["usual"]> {
  if (!isLocal(paths, registry.repository)) return undefined;
  const own = new Set(await listAdded(registry));
  return (dependency) => (own.has(dependency) ? signedName(registry.repository) : hexpm);
}

function resultOf({ repository }: RegistryPaths, signed: SignedRegistry): BuildResult {
  const served = servedName(repository);
  const shown = (resource: string) => (served === undefined ? resource : `repos/${served}/${resource}`);
  return {
    packages: signed.packages,
    releases: signed.releases,
    written: signed.written.map(shown),
    removed: signed.removed.map(shown),
    adopted: signed.adopted.map(({ name, version }) => releaseItem({ repository, name }, version)),
    leftOut: signed.leftOut.map(({ name, version, reason }) => ({
      item: version === undefined ? { kind: "record", repository, name } : releaseItem({ repository, name }, version),
      reason,
    })),
  };
}

async function whatToAdopt(
  named: readonly NamedRelease[],
  registries: readonly RegistryPaths[],
  { verifiers }: Pick<Signing, "verifiers">,
): Promise<Adopting> {
  if (named.length > 0) {
    const tarballs = registries.map(async (registry) =>
      (await listTarballs(registry)).map(({ name, version }) => ({ repository: registry.repository, name, version })),
    );
    requireHeld(named, (await Promise.all(tarballs)).flat());
  }
  return { named, everything: named.length === 0 && (await isBeginning(registries, verifiers)) };
}
