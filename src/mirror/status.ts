/** What the mirror holds, for which locks, how big it is, and how old. */
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Lack } from "../facts/shape.ts";
import type { Lock } from "../lock/entries.ts";
import { foreignEntries } from "../store/foreign-entries.ts";
import { unservedReason } from "../git/inspect.ts";
import { listRegistries, listRepositories } from "../store/inventory.ts";
import type { KindName } from "../names/item.ts";
import { showPolicyName } from "../names/policy-names.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { readLastSync } from "../store/last-sync.ts";
import { describeForeign, requireMirror, type Context } from "../store/context.ts";
import type { StorePaths } from "../store/paths.ts";
import type { KindTools } from "./kinds.ts";
import { lookOver } from "./look-over.ts";
import { listWithLocks, type Listed } from "./list.ts";
import { caFileOf, fingerprintsOf, lookAtUpstreams, type AuthorityKey, type Fingerprints } from "../store/trust.ts";

export interface Status {
  /** ISO 8601; undefined when this folder was not synced on this machine. */
  readonly lastSync: string | undefined;
  readonly locks: readonly {
    readonly name: string;
    readonly hex: number;
    readonly git: number;
    /** Whether all that it names is here and whole. */
    readonly isCovered: boolean;
    readonly lacks: readonly Lack[];
  }[];
  /** All Hex repositories together. */
  readonly hex: HexStatus;
  /** By name, with the releases that no known lock names. */
  readonly repositories: readonly (HexStatus & {
    readonly name: string;
    readonly unneeded: number;
    readonly docs: number;
  })[];
  /** Dependency policies, `hexpm:acme/strict`. */
  readonly policies: readonly string[];
  readonly git: readonly {
    readonly host: string;
    readonly path: string;
    readonly bytes: number;
    /** Without history: serves only clients that ask with a depth. */
    readonly shallow: boolean;
    /** The locks that name it; none for one that was put there by hand. */
    readonly locks: readonly string[];
  }[];
  readonly installers: FolderStatus;
  readonly files: FolderStatus;
  readonly fingerprints: Fingerprints;
  /** What is here and is not used, and why: links, and repositories that are not served. */
  readonly unused: readonly string[];
  /** What is wrong with what is held, as far as a look at files tells; `verify` reads all of them. */
  readonly problems: readonly string[];
}

export interface HexStatus {
  readonly packages: number;
  readonly releases: number;
  readonly bytes: number;
}

interface FolderStatus {
  readonly files: number;
  readonly bytes: number;
}

export async function status(
  context: Context<AuthorityKey | "nearby">,
  kinds: Kinds,
  tools: KindTools,
): Promise<Status> {
  await requireMirror(context);
  const { paths, config } = context;
  const known = await readKnownLocks(paths);
  const { registries, policies, git, installers, files } = await heldBy(paths, kinds, known);
  const { coverage, problems } = await lookOver(paths, known, kinds, tools);
  return {
    lastSync: (await readLastSync(paths))?.toISOString(),
    locks: known.map(({ name, entries }) => ({
      name,
      hex: entries.filter(({ kind }) => kind === "hex").length,
      git: entries.filter(({ kind }) => kind === "git").length,
      isCovered: coverage.get(name)?.isCovered === true,
      lacks: coverage.get(name)?.lacks ?? [],
    })),
    hex: {
      packages: sum(registries.map((each) => each.packages)),
      releases: sum(registries.map((each) => each.releases)),
      bytes: sum(registries.map((each) => each.bytes)),
    },
    repositories: registries,
    fingerprints: await fingerprintsOf(paths, caFileOf(config)),
    policies,
    git,
    installers,
    files,
    unused: [
      ...(await foreignEntries(paths)).map(describeForeign),
      ...(await lookAtUpstreams(paths)).problems,
      ...(await unservedRepositories(context, tools)),
    ],
    problems,
  };
}

type Held = Pick<Status, "policies" | "git" | "installers" | "files"> & { readonly registries: Status["repositories"] };

/** In figures: of hundreds of thousands of releases, what is known of each is gone before the folder is looked over. */
async function heldBy(paths: StorePaths, kinds: Kinds, known: readonly Lock[]): Promise<Held> {
  const listed = new Map(await inTurn(kinds, async (kind) => [kind.name, await listWithLocks(kind, known)] as const));
  const of = (name: KindName) => listed.get(name) ?? [];
  const [packages, documentation] = [of("packages"), of("documentation")];
  return {
    registries: (await listRegistries(paths)).map(({ repository }) =>
      registryStatus(repository, packages, documentation),
    ),
    policies: of("policies").flatMap(({ item }) => (item.kind === "policy" ? [showPolicyName(item)] : [])),
    git: of("repositories").flatMap(({ item, bytes, locks, places: [place] }) =>
      item.kind === "git"
        ? [{ host: item.host, path: item.path, bytes, shallow: place?.at("shallow").isFile() === true, locks }]
        : [],
    ),
    installers: folderStatus(of("installers")),
    files: folderStatus(of("files")),
  };
}

function registryStatus(repository: string, packages: readonly Listed[], documentation: readonly Listed[]) {
  const names = new Set<string>();
  let [releases, bytes, unneeded] = [0, 0, 0];
  for (const { item, locks, bytes: own } of packages) {
    if (item.kind !== "release" || item.repository !== repository) continue;
    names.add(item.name);
    releases += 1;
    bytes += own;
    if (locks.length === 0) unneeded += 1;
  }
  const docs = documentation.filter(({ item }) => item.kind === "documentation" && item.repository === repository);
  return { name: repository, packages: names.size, releases, bytes, unneeded, docs: docs.length };
}

function folderStatus(listed: readonly Listed[]): FolderStatus {
  return { files: sum(listed.map(({ places }) => places.length)), bytes: sum(listed.map(({ bytes }) => bytes)) };
}

/** Without git, nothing is known of what it can do; then none is served either. */
async function unservedRepositories({ paths }: Context, { gitEnvironments }: KindTools): Promise<string[]> {
  const repositories = await listRepositories(paths);
  if (repositories.length === 0) return [];
  const { features } = await gitEnvironments().catch(() => ({ features: { reftable: false } }));
  return repositories.flatMap(({ place }) => {
    const reason = unservedReason(place, features);
    return reason === undefined ? [] : [`${place.path} is not served, since ${reason}`];
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
