/** Whom a mirror asks, how they are, and how old what they said is. */
import { lookInto, type Look } from "../disk/look-into.ts";
import type { HealthReport } from "../health/health.ts";
import type { SeenRegistry } from "../health/overlook.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Trust } from "../store/trust.ts";
import type { MirrorOverview } from "./shape.ts";

export function upstreamsOf(
  recorded: Trust["fingerprints"]["upstreams"],
  away: HealthReport["upstreams_away"],
): MirrorOverview["upstreams"] {
  const known = Object.entries(recorded).map(([repository, { url, key }]) => {
    const host = url === undefined ? repository : new URL(url).host;
    const gone = away.find((each) => each.host === host || each.host === new URL(url ?? "http://-").hostname);
    return { repository, host, url: url ?? null, key, away: gone === undefined ? null : awayOf(gone) };
  });
  const told = new Set(known.flatMap(({ away: gone }) => (gone === null ? [] : [gone.reason + gone.since])));
  const others = away.filter(({ reason, since }) => !told.has(reason + since));
  return [
    ...known,
    ...others.map((gone) => ({ repository: null, host: gone.host, url: null, key: null, away: awayOf(gone) })),
  ];
}

function awayOf({ since, reason }: HealthReport["upstreams_away"][number]) {
  return { since, reason };
}

/** A sync of the whole asks for each record whether it holds. */
export function oldestRecord(came: number | undefined, lastSync: Date | undefined): string | null {
  return came === undefined ? null : new Date(Math.max(came, lastSync?.getTime() ?? 0)).toISOString();
}

/** When the oldest of upstream's records came. Milliseconds since 1970. */
export async function oldestOf(paths: StorePaths, registries: readonly SeenRegistry[]): Promise<number | undefined> {
  let oldest: number | undefined;
  for (const { repository } of registries) {
    const folder = paths.registry(repository).upstreamPackagesDir;
    const records = await lookInto(folder, async () => undefined).catch((): Map<string, Look> => new Map());
    // What came in an image has no time.
    const times = [...records.values()].map(({ mtimeMs }) => mtimeMs).filter((time) => time > 0);
    for (const time of times) oldest = Math.min(oldest ?? time, time);
  }
  return oldest;
}
