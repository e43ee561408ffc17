/**
 * Who of a lock's entries needs which others. A lock names all that an app needs and not who needs it; that stands in the
 * records of the releases that it names. Pure, but for the records.
 */
import type { NeedsOf } from "../artifacts/needs.ts";
import type { GitEntry, HexEntry } from "../lock/entries.ts";
import { parseGitUrl } from "../names/git-url.ts";
import type { Item } from "../names/item.ts";

export type Wanting = HexEntry | GitEntry;

export function itemOf(entry: Wanting): Item {
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

type Parents = ReadonlyMap<Wanting, readonly Wanting[]>;

export interface Family {
  readonly parents: Parents;
  /** Whether every record was here to be read. */
  readonly isWhole: boolean;
}

export const noFamily: Family = { parents: new Map(), isWhole: true };

/** By entry of a lock, which others of it need it. Of git repositories nobody has written down what they need. */
export async function familyOf(entries: readonly Wanting[], needsOf: NeedsOf): Promise<Family> {
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
export function waysTo(entry: Wanting, parents: Parents): string[][] {
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
