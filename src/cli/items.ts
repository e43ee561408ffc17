/** How people are told of the things of a mirror. */
import type { Item } from "../names/item.ts";
import { packagesLock } from "../mirror/wanted.ts";
import { hexpm, shownPackage } from "../names/hex-repository.ts";

export function showItem(item: Item): string {
  switch (item.kind) {
    case "release":
      return `${shownPackage(item.repository, item.name)} ${item.version}`;
    case "package":
      return shownPackage(item.repository, item.name);
    case "policy":
      return `the policy ${shownPackage(item.repository, item.name)}`;
    case "documentation":
      return `the documentation of ${shownPackage(item.repository, item.name)} ${item.version}`;
    case "record":
      return `upstream's record of ${shownPackage(item.repository, item.name)}`;
    case "upstream-lists":
      return "upstream's lists of all packages";
    case "registry":
      return item.repository === hexpm ? "the registry" : `the registry of ${item.repository}`;
    case "git":
      return `https://${item.host}/${item.path}${item.revision === undefined ? "" : ` ${item.revision}`}`;
    case "installer-list":
      return `installs/${item.list}`;
    case "installer":
      return `installs/${item.path}`;
    case "file":
      return item.url;
    case "lock":
      return `the lock ${item.name}`;
    case "entry":
      return item.app;
    case "all":
      return `the ${item.of === "repositories" ? "git repositories" : item.of}`;
    case "place":
      return item.path;
  }
}

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
