/**
 * Who may read a repository upstream: anybody, or whoever has a login. Noted in it each time that it is brought, since what
 * takes a mirror to others (pack/) must not take what only this user may read. A line each for its refs and objects (`git`),
 * and for its files in Git LFS, once these were asked for with a login.
 */
import type { Place } from "../disk/place.ts";

export type Access = "anyone" | "login";
type Part = "git" | "lfs";

/** Its name in the repository. */
export const accessFile = "mirror-access";

/** For whoever works on it. */
export async function recordAccess(repository: Place, part: Part, access: Access): Promise<void> {
  const noted = (await readParts(repository)).set(part, access);
  const lines = [...noted].sort().map(([name, whose]) => `${name} ${whose}\n`);
  await repository.at(accessFile).writeIfChanged(lines.join(""));
}

/** undefined: it was brought by a version that did not note it, or not by us. */
export async function readAccess(repository: Place): Promise<Access | undefined> {
  return accessOf(await readParts(repository));
}

/** @param text of the file */
export function accessIn(text: string): Access | undefined {
  return accessOf(partsIn(text));
}

function accessOf(noted: ReadonlyMap<Part, Access>): Access | undefined {
  if (!noted.has("git")) return undefined;
  return [...noted.values()].every((access) => access === "anyone") ? "anyone" : "login";
}

async function readParts(repository: Place): Promise<Map<Part, Access>> {
  return partsIn((await repository.at(accessFile).read())?.toString("utf8") ?? "");
}

function partsIn(text: string): Map<Part, Access> {
  const found = text.matchAll(/^(git|lfs) (anyone|login)$/gm);
  return new Map([...found].map(([, part, access]) => [part as Part, access as Access]));
}
