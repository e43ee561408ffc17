/**
 * Why something is held: which known lock wants it, and through whom. A lock names all that an app needs and not who needs
 * it; that stands in the records of the releases that it names.
 */
import type { Kinds } from "../artifacts/kinds.ts";
import { MirrorError } from "../errors.ts";
import type { GitEntry, HexEntry, Lock } from "../lock/entries.ts";
import { parseGitUrl } from "../names/git-url.ts";
import { idOf, type Item } from "../names/item.ts";
import { requireMirror, type Context } from "../store/context.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { listFor, type ListedItem } from "./list.ts";

export interface Reason {
  readonly item: Item;
  readonly isHeld: boolean;
  /** 0 for what is not held. */
  readonly bytes: number;
  readonly wantedBy: readonly {
    readonly lock: string;
    /**
     * From what the project names itself down to what names this, the shortest way each. One empty: the project does. None:
     * that cannot be told, since records of what the lock names are not here.
     */
    readonly through: readonly (readonly string[])[];
  }[];
}

type Wanting = HexEntry | GitEntry;

/** @param name a package, an application, or a part of a repository's URL @throws MirrorError `not_found` */
export async function why(context: Context<"nearby">, kinds: Kinds, name: string): Promise<Reason[]> {
  await requireMirror(context);
  const locks = await readKnownLocks(context.paths);
  const held = await listFor(kinds, locks);
  const reasons = new Map<string, Reason>();
  for (const lock of locks) {
    const wanting = lock.entries.filter((entry) => entry.kind !== "skipped");
    const found = wanting.filter((entry) => isCalled(entry, name));
    const { parents, isWhole } = found.length === 0 ? noParents : await parentsOf(context, wanting);
    for (const entry of found) {
      const item = itemOf(entry);
      const ways = waysTo(entry, parents);
      const through = ways.length > 0 || !isWhole ? ways : [[]];
      const { wantedBy = [] } = reasons.get(idOf(item)) ?? {};
      reasons.set(idOf(item), { ...lookUp(item, held), wantedBy: [...wantedBy, { lock: lock.name, through }] });
    }
  }
  for (const { item, bytes } of held) {
    if (isItemCalled(item, name) && !reasons.has(idOf(item)))
      reasons.set(idOf(item), { item, isHeld: true, bytes, wantedBy: [] });
  }
  if (reasons.size > 0) return [...reasons.values()];
  throw new MirrorError("not_found", `nothing that is held, and no known lock, has the name ${JSON.stringify(name)}`, {
    data: { known: namesIn(locks, held) },
  });
}

function lookUp(item: Item, held: readonly ListedItem[]): Omit<Reason, "wantedBy"> {
  const same = held.find((each) => isSame(each.item, item));
  return { item, isHeld: same !== undefined, bytes: same?.bytes ?? 0 };
}

/** A repository is held whole, whichever commit of it is wanted. */
function isSame(held: Item, wanted: Item): boolean {
  if (held.kind === "git" && wanted.kind === "git") return held.host === wanted.host && held.path === wanted.path;
  return idOf(held) === idOf(wanted);
}

function itemOf(entry: Wanting): Item {
  if (entry.kind === "hex") {
    return { kind: "release", repository: entry.repository, name: entry.name, version: entry.version };
  }
  try {
    const { host, path } = parseGitUrl(entry.url, true);
    return { kind: "git", host, path };
  } catch {
    // Of a sync that was allowed what is not allowed now.
    return { kind: "entry", app: entry.app };
  }
}

function isCalled(entry: Wanting, name: string): boolean {
  return entry.app === name || (entry.kind === "hex" && entry.name === name) || isItemCalled(itemOf(entry), name);
}

function isItemCalled(item: Item, name: string): boolean {
  switch (item.kind) {
    case "release":
    case "documentation":
      return [item.name, `${item.name}@${item.version}`].includes(name);
    case "git":
      return isPartOf(`${item.host}/${item.path}`, name);
    case "installer":
      return item.path.includes(name);
    case "file":
      return item.url.includes(name);
    default:
      return false;
  }
}

/** `heroicons`, `tailwindlabs`, `tailwindlabs/heroicons` or the whole, with or without `https://` and `.git` */
function isPartOf(repository: string, name: string): boolean {
  const plain = name.replace(/^https?:\/\//, "").replace(/\.git$/, "");
  return plain !== "" && `/${repository}/`.includes(`/${plain}/`);
}

type Parents = ReadonlyMap<Wanting, readonly Wanting[]>;

interface Family {
  readonly parents: Parents;
  /** Whether every record was here to be read. */
  readonly isWhole: boolean;
}

const noParents: Family = { parents: new Map(), isWhole: true };

/** By entry, which others of its lock need it. Of git repositories nobody has written down what they need. */
async function parentsOf({ paths }: Context, entries: readonly Wanting[]): Promise<Family> {
  const { openNeeds } = await import("../artifacts/with-records.ts");
  const needsOf = await openNeeds(paths);
  const byName = new Map(entries.flatMap((entry) => namesOf(entry).map((name) => [name, entry] as const)));
  const parents = new Map<Wanting, Wanting[]>();
  const add = (child: Wanting | undefined, parent: Wanting | undefined) => {
    if (child === undefined || parent === undefined || child === parent) return;
    const known = parents.get(child) ?? [];
    if (!known.includes(parent)) parents.set(child, [...known, parent]);
  };
  let isWhole = true;
  for (const entry of entries) {
    if (entry.kind === "git") {
      // A submodule, by the repository that has it.
      add(entry, byName.get(outerOf(entry) ?? ""));
      continue;
    }
    const needs = await needsOf(entry);
    if (needs === undefined) isWhole = false;
    for (const name of needs ?? []) add(byName.get(name), entry);
  }
  return { parents, isWhole };
}

function namesOf(entry: Wanting): string[] {
  if (entry.kind === "hex") return [entry.app, entry.name];
  const item = itemOf(entry);
  // A submodule is called `owner/repo:its/path`.
  return outerOf(entry) === undefined ? [entry.app, ...(item.kind === "git" ? [item.path] : [])] : [];
}

function outerOf({ app }: GitEntry): string | undefined {
  const colon = app.indexOf(":");
  return colon === -1 ? undefined : app.slice(0, colon);
}

/** One way for each that needs it itself: the shortest down from what nobody else needs. */
function waysTo(entry: Wanting, parents: Parents): string[][] {
  const direct = parents.get(entry) ?? [];
  return direct.map((parent) => [...shortestTo(parent, parents, entry), parent].map(({ app }) => app));
}

function shortestTo(entry: Wanting, parents: Parents, not: Wanting): Wanting[] {
  const seen = new Set([entry, not]);
  let level: { readonly at: Wanting; readonly below: Wanting[] }[] = [{ at: entry, below: [] }];
  while (level.length > 0) {
    const next: typeof level = [];
    for (const { at, below } of level) {
      const above = parents.get(at) ?? [];
      if (above.length === 0) return below;
      for (const parent of above.filter((each) => !seen.has(each))) {
        seen.add(parent);
        next.push({ at: parent, below: [parent, ...below] });
      }
    }
    level = next;
  }
  // They need each other, and nobody else does.
  return [];
}

function namesIn(locks: readonly Lock[], held: readonly ListedItem[]): string[] {
  const ofLocks = locks.flatMap(({ entries }) => entries.flatMap(({ app }) => app));
  const ofHeld = held.flatMap(({ item }) =>
    item.kind === "release" ? [item.name] : item.kind === "git" ? [item.path] : [],
  );
  return [...new Set([...ofLocks, ...ofHeld])];
}
