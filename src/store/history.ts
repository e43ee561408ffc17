/**
 * `history/REPOSITORY/NAME.jsonl`: which checksum upstream signed for each version, and since when this mirror knows. One
 * line a release, sorted by version, none of which depends on another, so that two branches merge (`merge=union`). What
 * it proves and what not: SECURITY.md
 */
import * as z from "zod";
import { parseJson } from "../text.ts";
import type { Place } from "../disk/place.ts";
import { compareVersions, isVersion } from "../names/versions.ts";

const schema = z.object({
  version: z.string().refine(isVersion),
  /** Outer, SHA-256 in lower-case hex digits. */
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
  /** Fingerprint of the key that signed it, `SHA256:…` */
  key: z.string(),
  /** The day on which this mirror first saw it, `2026-11-25`. */
  seen: z.iso.date(),
});

export type HistoryLine = z.infer<typeof schema>;

/** Of two lines for one checksum the earlier counts. A line that says nothing, such as half of one, is passed over. */
export async function readHistory(file: Place): Promise<HistoryLine[]> {
  const text = (await file.read())?.toString("utf8") ?? "";
  const lines = new Map<string, HistoryLine>();
  for (const line of text.split("\n")) {
    const parsed = schema.safeParse(parseJson(line)).data;
    if (parsed === undefined) continue;
    const key = `${parsed.version} ${parsed.checksum}`;
    const other = lines.get(key);
    if (other === undefined || parsed.seen < other.seen) lines.set(key, parsed);
  }
  return [...lines.values()];
}

export async function writeHistory(file: Place, lines: readonly HistoryLine[]): Promise<void> {
  const sorted = [...lines].sort((a, b) => compareVersions(a.version, b.version) || (a.checksum < b.checksum ? -1 : 1));
  const text = sorted.map(({ version, checksum, key, seen }) => JSON.stringify({ version, checksum, key, seen }));
  const content = text.map((line) => `${line}\n`).join("");
  if (file.isFile()) await file.writeIfChanged(content);
  // Before there is one a power cut can lose no more than what was learned just now, and the next sync learns it again.
  else await (await file.stage(content)).moveTo(file);
}

/** Versions that have two checksums: upstream replaced one, or somebody shows this mirror what others do not see. */
export function ambiguousVersions(lines: readonly HistoryLine[]): string[] {
  const seen = new Map<string, string>();
  const twice = lines.filter(({ version, checksum }) => {
    const other = seen.get(version);
    seen.set(version, other ?? checksum);
    return other !== undefined && other !== checksum;
  });
  return [...new Set(twice.map(({ version }) => version))];
}
