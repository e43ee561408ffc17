/** Why something is held: which known lock wants it, and through whom. */
import type { Kinds } from "../artifacts/kinds.ts";
import { MirrorError } from "../errors.ts";
import { familyOf, itemOf, noFamily, waysTo, type Wanting } from "../facts/family.ts";
import { lazy } from "../lazy.ts";
import type { Lock } from "../lock/entries.ts";
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

/** @param name a package, an application, or a part of a repository's URL @throws MirrorError `not_found` */
export async function why(context: Context<"nearby">, kinds: Kinds, name: string): Promise<Reason[]> {
  await requireMirror(context);
  const locks = await readKnownLocks(context.paths);
  const held = await listFor(kinds, locks);
  const needs = lazy(async () => (await import("../artifacts/with-records.ts")).openNeeds(context.paths));
  const reasons = new Map<string, Reason>();
  for (const lock of locks) {
    const wanting = lock.entries.filter((entry) => entry.kind !== "skipped");
    const found = wanting.filter((entry) => isCalled(entry, name));
    const { parents, isWhole } = found.length === 0 ? noFamily : await familyOf(wanting, await needs());
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

function namesIn(locks: readonly Lock[], held: readonly ListedItem[]): string[] {
  const ofLocks = locks.flatMap(({ entries }) => entries.flatMap(({ app }) => app));
  const ofHeld = held.flatMap(({ item }) =>
    item.kind === "release" ? [item.name] : item.kind === "git" ? [item.path] : [],
  );
  return [...new Set([...ofLocks, ...ofHeld])];
}
