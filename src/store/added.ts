/**
 * `added/REPOSITORY/NAME.jsonl`: what people put into a Hex repository of the mirror's own, one line a release. A line stays
 * when its release goes, so that a version never comes back as something else; none depends on another, so that two
 * branches merge (`merge=union`). It lets nothing be signed: that is for who runs `add`.
 */
import * as z from "zod";
import type { Place } from "../disk/place.ts";
import { stampThrough } from "../disk/stamp.ts";
import { whileUnchanged } from "../disk/while-unchanged.ts";
import { hexpm } from "../names/hex-repository.ts";
import { isPackageName } from "../names/hex-names.ts";
import { compareVersions, isVersion } from "../names/versions.ts";
import { parseJson } from "../text.ts";
import type { StorePaths } from "./paths.ts";
import type { RegistryPaths } from "./registry-paths.ts";

const schema = z.object({
  version: z.string().refine(isVersion),
  /** Outer, SHA-256 in lower-case hex digits. */
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
  /** When it was first added, ISO 8601 in UTC. */
  added: z.iso.datetime(),
});

export type AddedLine = z.infer<typeof schema>;

/** A line that says nothing, such as half of one, is passed over. */
export async function readAdded(file: Place): Promise<AddedLine[]> {
  const text = (await file.read())?.toString("utf8") ?? "";
  const parsed = text.split("\n").map((line) => schema.safeParse(parseJson(line)).data);
  return parsed.filter((line) => line !== undefined);
}

/** For the only writer. */
export async function writeAdded(file: Place, lines: readonly AddedLine[]): Promise<void> {
  const sorted = [...lines].sort((a, b) => compareVersions(a.version, b.version) || (a.checksum < b.checksum ? -1 : 1));
  const texts = sorted.map(({ version, checksum, added }) => JSON.stringify({ version, checksum, added }));
  await file.writeIfChanged(texts.map((text) => `${text}\n`).join(""));
}

/** The packages of which something was ever added. */
export async function listAdded({ addedDir }: RegistryPaths): Promise<string[]> {
  const files = (await addedDir.list("file")).filter((file) => file.endsWith(".jsonl"));
  return files.map((file) => file.slice(0, -".jsonl".length)).filter(isPackageName);
}

/** @returns the mirror's own repository besides hexpm that has, or had, a package of that name; undefined: none */
export function watchAdded({ addedDir }: StorePaths): (name: string) => Promise<string | undefined> {
  const list = async () => (await addedDir.list("folder")).filter((name) => name !== hexpm);
  const repositories = whileUnchanged(() => stampThrough(addedDir.path), list);
  return async (name) => (await repositories()).find((each) => addedDir.at(`${each}/${name}.jsonl`).isFile());
}
