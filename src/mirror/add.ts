/**
 * Puts packages that `mix hex.build` or rebar3 made into a Hex repository of the mirror's own. A version is never replaced by
 * other bytes: locks rest on them. No name is upstream's and the mirror's at once.
 */
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { hexDigits } from "../hex/checksums.ts";
import { isRepositoryName } from "../names/hex-names.ts";
import { hexpm, organisationOf, shownPackage } from "../names/hex-repository.ts";
import { releaseItem, type Item } from "../names/item.ts";
import type { AcceptedChange, NamedRelease } from "../options.ts";
import { isPackageOf, signedChecksums } from "../registry/adoption.ts";
import { publish, type SigningKey } from "../registry/build.ts";
import { readAdded, writeAdded, type AddedLine } from "../store/added.ts";
import { asOnlyWriter, requireRoom, type Context } from "../store/context.ts";
import { isUpstreams, listRegistries } from "../store/inventory.ts";
import { beginMirror } from "../store/pull-mode.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { readPackageFiles, type NamedFile, type PackageFile } from "./package-files.ts";

export interface AddResult {
  readonly repository: string;
  readonly added: readonly Item[];
  /** What was there already, as it is. */
  readonly unchanged: readonly Item[];
  /** Names that another repository of this mirror has, too. */
  readonly ambiguous: readonly { readonly name: string; readonly other: string }[];
}

export interface AddOptions {
  readonly repository: string;
  /** The documentation of the only package, a file; undefined: none. */
  readonly docs: string | undefined;
  /** Versions that were taken out, and may come back as something else. */
  readonly acceptChanged: readonly AcceptedChange[];
}

export type AddKey = SigningKey | "repos";

/** @throws MirrorError before anything is written */
export async function add(
  context: Context<AddKey>,
  files: readonly NamedFile[],
  options: AddOptions,
): Promise<AddResult> {
  const { paths } = context;
  requireOwnName(context.config, options.repository);
  const packages = await readPackageFiles(files, options.docs);
  await requireRoom(paths);
  return asOnlyWriter(context, async (locked) => {
    await beginMirror(locked);
    const registry = await ownRegistry(locked, options.repository);
    const key = await loadSigningKey(paths, locked.config.newKey);
    const plans: Plan[] = [];
    // All are looked at before any is written.
    for (const each of packages) plans.push(await planFor(registry, each, { key, ...options }));
    const now = new Date();
    for (const plan of plans) await place(registry, plan, now);
    const fresh = plans.filter(({ isNew }) => isNew).map(({ package: { tarball } }) => tarball.metadata);
    const named = fresh.map(({ name, version }) => ({ repository: registry.repository, name, version }));
    if (fresh.length > 0) {
      const names = new Map([[registry.repository, new Set(fresh.map(({ name }) => name))]]);
      const { leftOut } = await publish(locked, names, { named, at: now });
      const first = leftOut.find(({ item }) => isOneOf(item, named));
      if (first !== undefined) throw new MirrorError("storage", `it could not be signed: ${first.reason}`);
    }
    const itemsOf = (isNew: boolean) =>
      plans
        .filter((plan) => plan.isNew === isNew)
        .map(({ package: { tarball } }) =>
          releaseItem({ ...tarball.metadata, repository: registry.repository }, tarball.metadata.version),
        );
    const ambiguous: { name: string; other: string }[] = [];
    for (const name of new Set(fresh.map((each) => each.name))) {
      for (const other of await listRegistries(paths)) {
        if (other.repository !== registry.repository && hasName(other, name))
          ambiguous.push({ name, other: other.repository });
      }
    }
    return {
      repository: registry.repository,
      added: itemsOf(true),
      unchanged: itemsOf(false),
      ambiguous,
    };
  });
}

function isOneOf(item: Item, named: readonly NamedRelease[]): boolean {
  return item.kind === "release" && named.some(({ name, version }) => name === item.name && version === item.version);
}

/** @throws MirrorError `usage` */
function requireOwnName({ repos }: Pick<Config, "repos">, repository: string): void {
  const example = "give a name of your own, such as --repo corp";
  if (!isRepositoryName(repository)) {
    throw new MirrorError("usage", `--repo: ${JSON.stringify(repository)} is no repository's name; ${example}`);
  }
  if (organisationOf(repository) !== undefined) {
    throw new MirrorError("usage", `--repo ${repository}: an organisation's packages come from hex.pm; ${example}`);
  }
  const configured = repos.find(({ name }) => name === repository);
  if (configured !== undefined) {
    throw new MirrorError("usage", `--repo ${repository}: its packages come from ${configured.url}; ${example}`);
  }
}

/** @throws MirrorError `refused` where another repository is served under that name */
async function ownRegistry({ paths }: Context, repository: string): Promise<RegistryPaths> {
  const registry = paths.registry(repository);
  if (repository === hexpm) return registry;
  const held = (await listRegistries(paths)).find(({ dir }) => dir.path === registry.dir.path);
  if (held !== undefined && (held.repository !== repository || held.upstreamDir.isFolder())) {
    const what = `/repos/${repository} of this mirror is "${held.repository}", which comes from elsewhere`;
    throw new MirrorError("refused", `${what}; give another name with --repo`);
  }
  return registry;
}

interface PlanTools extends AddOptions {
  readonly key: Parameters<typeof signedChecksums>[2][number];
}

interface Plan {
  readonly package: PackageFile;
  readonly isNew: boolean;
  readonly lines: readonly AddedLine[];
}

/** @throws MirrorError `refused` */
async function planFor(
  registry: RegistryPaths,
  package_: PackageFile,
  { key, acceptChanged }: PlanTools,
): Promise<Plan> {
  const { tarball, bytes } = package_;
  const { name, version } = tarball.metadata;
  const { repository } = registry;
  const shown = `${shownPackage(repository, name)} ${version}`;
  if (repository === hexpm && isUpstreams(registry, name)) {
    throw new MirrorError(
      "refused",
      `${shown}: ${name} is a package of upstream's; give it another name, or a repository of yours with --repo`,
    );
  }
  const checksum = hexDigits(tarball.outerChecksum);
  const signed = (await signedChecksums(registry, name, [key])).get(version);
  const place = registry.tarball(name, version);
  const held = await place.read();
  const other = signed !== undefined && signed !== checksum;
  if (other || (held !== undefined && !held.equals(bytes))) {
    const why = `is here already, with other bytes than ${package_.file}, and locks may rest on them`;
    throw new MirrorError("refused", `${shown} ${why}; give the new ones a version of their own`);
  }
  const lines = await readAdded(registry.added(name));
  const others = lines.filter((line) => line.version === version && line.checksum !== checksum);
  const isAccepted = acceptChanged.some((each) => isPackageOf(each, repository, name) && each.version === version);
  if (others.length > 0 && !isAccepted) {
    const why = `was here before, with other bytes than ${package_.file}, and locks may rest on them`;
    const remedy = `give the new ones a version of their own, or --accept-changed ${shownPackage(repository, name)}@${version}`;
    throw new MirrorError("refused", `${shown} ${why}; ${remedy}`);
  }
  return {
    package: package_,
    isNew: held === undefined || signed === undefined,
    lines: lines.filter((line) => !others.includes(line)),
  };
}

function hasName(registry: RegistryPaths, name: string): boolean {
  return isUpstreams(registry, name) || registry.added(name).isFile();
}

/** What is known of it first: whoever is killed here can add it again. */
async function place(
  registry: RegistryPaths,
  { package: { tarball, bytes, docs }, lines }: Plan,
  now: Date,
): Promise<void> {
  const { name, version } = tarball.metadata;
  const checksum = hexDigits(tarball.outerChecksum);
  const isKnown = lines.some((line) => line.version === version && line.checksum === checksum);
  const line = { version, checksum, added: now.toISOString() };
  await writeAdded(registry.added(name), isKnown ? lines : [...lines, line]);
  if (docs !== undefined) await registry.docs(name, version).writeIfChanged(docs);
  await registry.tarball(name, version).writeIfChanged(bytes);
}
