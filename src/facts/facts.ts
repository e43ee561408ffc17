/**
 * What can be known of a mirror, for the page, the API, metrics and `status`: one answer for all. Made of what was last seen
 * of the folder (health/), of the known locks and of the signed records, and kept for as long as none of these is another.
 */
import { writtenAt } from "../disk/stamp.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import type { Overview } from "../health/overlook.ts";
import type { HealthReport } from "../health/health.ts";
import type { Lock } from "../lock/entries.ts";
import { servedName } from "../names/hex-repository.ts";
import { watchReadableLocks } from "../store/known-locks.ts";
import { readLastSync } from "../store/last-sync.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Trust } from "../store/trust.ts";
import { coverageOf, covers } from "./coverage.ts";
import { listFiles } from "./files.ts";
import { rememberLacks } from "./lacking-commits.ts";
import { generationOf } from "./generation.ts";
import { oldestOf, oldestRecord, upstreamsOf } from "./upstreams.ts";
import { describePackage, familiesOf, listPackages, type NamedFamily, type PackageSources } from "./packages.ts";
import { describeGit, listGit } from "./repositories.ts";
import type {
  GitRepository,
  GitRepositoryDetail,
  HeldFile,
  HeldPackage,
  Lack,
  LockCoverage,
  MirrorOverview,
  PackageDetail,
} from "./shape.ts";

export interface Facts {
  readonly overview: () => Promise<MirrorOverview>;
  readonly packages: () => Promise<readonly HeldPackage[]>;
  /** undefined: it is not held. */
  readonly package: (repository: string, name: string) => Promise<PackageDetail | undefined>;
  readonly git: () => Promise<readonly GitRepository[]>;
  /** Likewise. */
  readonly repository: (host: string, path: string) => Promise<GitRepositoryDetail | undefined>;
  readonly files: () => Promise<readonly HeldFile[]>;
}

export interface FactSources {
  readonly paths: StorePaths;
  readonly kinds: () => Kinds;
  /** What was last seen of the folder. */
  readonly seen: () => Promise<Overview>;
  readonly health: () => Promise<HealthReport>;
  readonly trust: () => Promise<Trust>;
  readonly mode: { readonly pulls: boolean; readonly why: string };
  /** Milliseconds since 1970. */
  readonly started: number;
}

/** All that takes time to find out, of one state of the mirror. */
interface Found {
  readonly locks: readonly Lock[];
  readonly families: ReadonlyMap<string, NamedFamily>;
  readonly packages: readonly HeldPackage[];
  readonly git: readonly GitRepository[];
  readonly files: readonly HeldFile[];
  readonly lacks: ReadonlyMap<string, readonly Lack[]>;
  readonly generation: string;
  /** When it came. Milliseconds since 1970. */
  readonly oldestRecord: number | undefined;
}

export function createFacts(sources: FactSources): Facts {
  const { paths, kinds, seen, health, trust, mode, started } = sources;
  const knownLocks = watchReadableLocks(paths);
  const lacksOf = rememberLacks(paths);
  const since = new Since();
  let last: { readonly of: string; readonly locks: readonly Lock[]; readonly found: Promise<Found> } | undefined;

  const find = async (overview: Overview, locks: readonly Lock[]): Promise<Found> => {
    const families = await familiesOf(locks, overview.registries);
    const lacks = await coverageOf(locks, kinds(), overview, lacksOf);
    return {
      locks,
      families,
      packages: await listPackages(packageSources(overview, locks, families)),
      git: await listGit({ held: overview.repositories, locks, problems: overview.problems }),
      files: await listFiles(paths, kinds()),
      generation: await generationOf(paths),
      oldestRecord: await oldestOf(paths, overview.registries),
      lacks,
    };
  };
  const packageSources = (overview: Overview, locks: readonly Lock[], families: Found["families"]): PackageSources => {
    const damaged = new Set(overview.problems.map(({ subject }) => subject));
    const isDamaged = (repository: string, file: string) => {
      const served = servedName(repository);
      return damaged.has(served === undefined ? file : `repos/${served}/${file}`);
    };
    return { paths, registries: overview.registries, locks, families, isDamaged };
  };
  const current = async () => {
    const overview = await seen();
    const locks = await knownLocks();
    const of = [overview.changes, ...overview.problems.map(({ text }) => text)].join("\n");
    if (last?.of !== of || last.locks !== locks) {
      const mine = { of, locks, found: find(overview, locks) };
      last = mine;
      // What failed is tried again by whoever asks next.
      mine.found.catch(() => {
        if (last === mine) last = undefined;
      });
    }
    return { overview, found: await last.found };
  };

  return {
    packages: async () => (await current()).found.packages,
    git: async () => (await current()).found.git,
    files: async () => (await current()).found.files,
    package: async (repository, name) => {
      const { overview, found } = await current();
      return describePackage(packageSources(overview, found.locks, found.families), repository, name, await trust());
    },
    repository: async (host, path) => {
      const { overview, found } = await current();
      return describeGit({ held: overview.repositories, locks: found.locks, problems: overview.problems }, host, path);
    },
    overview: async () => {
      const { found } = await current();
      const { status, version, problems, upstreams_away: away, fingerprints } = await health();
      const lastSync = await readLastSync(paths);
      return {
        status,
        problems: [...problems],
        version,
        started: new Date(started).toISOString(),
        mode: mode.pulls ? "pulling" : "offline",
        mode_reason: mode.why,
        last_sync: lastSync?.toISOString() ?? null,
        generation: found.generation,
        oldest_record: oldestRecord(found.oldestRecord, lastSync),
        locks: found.locks.map((lock) => coverage(paths, lock, found.lacks.get(lock.name) ?? [], since)),
        upstreams: upstreamsOf(fingerprints.upstreams, away),
        holds: holdingsOf(found),
        fingerprints: { registry: fingerprints.registry ?? null, ca: fingerprints.ca ?? null },
      };
    },
  };
}

function coverage(paths: StorePaths, { name, entries }: Lock, lacks: readonly Lack[], since: Since): LockCoverage {
  const isCovered = covers(lacks);
  return {
    name,
    is_covered: isCovered,
    since: since.of(name, isCovered),
    known_since: writtenAt(paths.knownLock(name).look()) ?? null,
    packages: entries.filter(({ kind }) => kind === "hex").length,
    git: entries.filter(({ kind }) => kind === "git").length,
    lacks: [...lacks],
  };
}

/** Since when something is as it is, as far as this process has seen. */
class Since {
  private readonly seen = new Map<string, { readonly state: boolean; readonly at: string }>();

  of(name: string, state: boolean): string {
    const known = this.seen.get(name);
    if (known?.state === state) return known.at;
    const at = new Date().toISOString();
    this.seen.set(name, { state, at });
    return at;
  }
}

function holdingsOf({ packages, git, files }: Found): MirrorOverview["holds"] {
  const count = (kind: HeldFile["kind"]) => files.filter((file) => file.kind === kind).length;
  const sum = (list: readonly { readonly bytes: number }[]) => list.reduce((total, { bytes }) => total + bytes, 0);
  return {
    packages: packages.length,
    releases: packages.reduce((total, { releases }) => total + releases.length, 0),
    repositories: git.length,
    installers: count("installer"),
    files: count("file"),
    documentation: count("documentation"),
    bytes: sum(packages) + sum(git) + sum(files),
  };
}
