/** Searching in what is held: what has all the words, wherever in what is shown of it. Pure. */
import type { GitRepository, HeldFile, HeldPackage } from "./shape.ts";

export function matchingPackages(packages: readonly HeldPackage[], search: string): readonly HeldPackage[] {
  return matching(packages, search, ({ repository, name, description, licenses, releases, wanted_by: wanted }) => [
    repository,
    name,
    description ?? "",
    ...licenses,
    ...releases.map(({ version }) => version),
    ...wanted.flatMap(({ lock, through }) => [lock, ...through]),
  ]);
}

/** By what anybody may know of them: which lock wants what is no part of hex.pm's API. */
export function namedPackages(packages: readonly HeldPackage[], search: string): readonly HeldPackage[] {
  return matching(packages, search, ({ name, description }) => [name, description ?? ""]);
}

export function matchingGit(repositories: readonly GitRepository[], search: string): readonly GitRepository[] {
  return matching(repositories, search, ({ host, path, locked }) => [
    `${host}/${path}`,
    ...locked.flatMap(({ lock, app, revision }) => [lock, app, revision]),
  ]);
}

export function matchingFiles(files: readonly HeldFile[], search: string): readonly HeldFile[] {
  return matching(files, search, ({ name, sha256 }) => [name, sha256 ?? ""]);
}

function matching<T>(things: readonly T[], search: string, textsOf: (thing: T) => readonly string[]): readonly T[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return things;
  return things.filter((thing) => {
    const text = textsOf(thing).join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
