/** Does a mirror serve what a lock names? Of each known lock, what is missing, damaged, skipped, retired, or has an advisory. */
import type { Artifact } from "../artifacts/artifact.ts";
import { eachKind, type Kinds } from "../artifacts/kinds.ts";
import type { Problem } from "../health/problem.ts";
import type { SeenRegistry } from "../health/overlook.ts";
import { retirementReason } from "../hex/release-details.ts";
import type { HexEntry, Lock } from "../lock/entries.ts";
import { servedName } from "../names/hex-repository.ts";
import { releaseItem, type Item } from "../names/item.ts";
import { showItem } from "../names/shown-item.ts";
import { pageOf } from "./pages.ts";
import type { Lack } from "./shape.ts";

export interface Seen {
  readonly registries: readonly SeenRegistry[];
  readonly problems: readonly Problem[];
}

/** What is here and lacks a part; the same for as long as nothing changes. */
export type LacksOf = <Job>(kind: Artifact<Job>, job: Job) => Promise<readonly Item[]>;

/** @returns by the lock's name, in the order of its entries, the worst first */
export async function coverageOf(
  locks: readonly Lock[],
  kinds: Kinds,
  seen: Seen,
  lacksOf: LacksOf,
): Promise<Map<string, Lack[]>> {
  const lacks = new Map(locks.map(({ name }) => [name, [] as Lack[]]));
  const add = (names: readonly string[], lack: Lack) => {
    for (const name of new Set(names)) lacks.get(name)?.push(lack);
  };
  // A repository is held for several locks, and a commit of it may be one's alone.
  const revisions = new Map(locks.map(({ name, entries }) => [name, revisionsIn(entries)]));
  const wants = (name: string, part: Item) =>
    part.kind !== "git" || part.revision === undefined || revisions.get(name)?.has(part.revision) === true;
  const problems = new Map(seen.problems.map((problem) => [subjectOf(problem), problem]));
  const look = async <Job>(kind: Artifact<Job>): Promise<void> => {
    const { jobs, refused } = await kind.wanted({ locks });
    for (const { item, reason, lock } of refused) if (lock !== undefined) add([lock], lackOf(item, "skipped", reason));
    for (const job of jobs) {
      const looks = await kind.has(job);
      for (const [index, { item, locks: names }] of kind.items(job).entries()) {
        if (names.length === 0) continue;
        const damage = subjectsOf(item)
          .map((subject) => problems.get(subject))
          .find((problem) => problem !== undefined);
        if (looks[index]?.isHeld !== true) add(names, lackOf(item, "missing", damage?.text ?? "it is not here"));
        else if (damage !== undefined) add(names, lackOf(item, "damaged", damage.text));
        else
          for (const part of await lacksOf(kind, job))
            add(
              names.filter((name) => wants(name, part)),
              lackOf(part, "missing", "it is not in the copy here"),
            );
      }
    }
  };
  for (const begin of eachKind(kinds, (kind) => async () => look(kind))) await begin();
  for (const { name, entries } of locks) {
    for (const entry of entries) {
      if (entry.kind === "skipped") add([name], lackOf({ kind: "entry", app: entry.app }, "skipped", entry.reason));
      if (entry.kind === "hex") for (const lack of warningsOf(entry, seen.registries)) add([name], lack);
    }
  }
  for (const list of lacks.values()) list.sort((a, b) => weightOf(a) - weightOf(b));
  return lacks;
}

/** Whether the lock is served whole, whatever else there is to say. */
export function covers(lacks: readonly Lack[]): boolean {
  return lacks.every(({ state }) => state === "retired" || state === "advisory");
}

const order: Lack["state"][] = ["missing", "damaged", "skipped", "advisory", "retired"];

function revisionsIn(entries: Lock["entries"]): Set<string> {
  return new Set(entries.flatMap((entry) => (entry.kind === "git" ? [entry.revision] : [])));
}

function weightOf({ state }: Lack): number {
  return order.indexOf(state);
}

function lackOf(item: Item, state: Lack["state"], reason: string): Lack {
  return { item: showItem(item), kind: item.kind, state, reason, page: pageOf(item) };
}

/** Hosts take owners and names in any case, mostly. */
function subjectOf({ kind, subject }: Problem): string {
  return kind === "repository" || kind === "unserved" ? subject.toLowerCase() : subject;
}

/** How what is wrong with it is told by health. */
function subjectsOf(item: Item): string[] {
  if (item.kind === "git") return [`${item.host}/${item.path}`.toLowerCase()];
  if (item.kind !== "release") return [];
  const served = servedName(item.repository);
  const below = served === undefined ? "" : `repos/${served}/`;
  const own = [`tarballs/${item.name}-${item.version}.tar`, `packages/${item.name}`];
  // What is wrong with the whole is wrong with each.
  return [...own, "names", "packages", "tarballs"].map((subject) => below + subject);
}

function warningsOf(entry: HexEntry, registries: readonly SeenRegistry[]): Lack[] {
  const record = registries.find(({ repository }) => repository === entry.repository)?.records.get(entry.name);
  const release = record?.releases.find(({ version }) => version === entry.version);
  if (record === undefined || release === undefined) return [];
  const item = releaseItem(entry, entry.version);
  const { retired } = release;
  const message = retired === undefined || retired.message === "" ? "" : `: ${retired.message}`;
  return [
    ...(retired === undefined ? [] : [lackOf(item, "retired", `${retirementReason(retired.reason)}${message}`)]),
    ...release.advisoryIndexes.flatMap((index) => {
      const advisory = record.advisories[index];
      return advisory === undefined ? [] : [lackOf(item, "advisory", `${advisory.id}: ${advisory.summary}`)];
    }),
  ];
}
