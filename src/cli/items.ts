/** How people are told of who wants what. */
import type { Item } from "../names/item.ts";
import { packagesLock } from "../mirror/wanted.ts";
import { shownPackage } from "../names/hex-repository.ts";
import { showItem } from "../names/shown-item.ts";

/** Whether it goes with what it is about: nobody wants it for itself. */
export function isCompanion({ kind }: Item): boolean {
  return kind === "record" || kind === "registry" || kind === "upstream-lists";
}

/** Who wants something, by the names of locks. */
export function showLocks(locks: readonly string[]): string {
  return locks.length === 0 ? "(no known lock)" : locks.map(showLock).join(", ");
}

/** What no project's lock names is asked for by the configuration. */
export function showLock(name: string): string {
  return name === packagesLock ? "--package" : name;
}

/** `jason@1.4.1`, as options take it. */
export function showRelease(item: Item): string {
  return item.kind === "release" ? `${shownPackage(item.repository, item.name)}@${item.version}` : showItem(item);
}

/** Who asks for it, in brackets: ` (app phoenix, lock my_app)`. */
export function showAsking({ app, lock }: { readonly app?: string; readonly lock?: string }, item: Item): string {
  const isNamed = app === undefined || showItem(item).split(" ", 1)[0] === app;
  const parts = [...(isNamed ? [] : [app]), ...(lock === undefined ? [] : [`lock ${lock}`])];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}
