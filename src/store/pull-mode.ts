/**
 * Whether a server fetches what is asked of it and not held. A mirror says so itself, from when it was made: new ones do.
 * One that was made before, folders that were made by hand, and what git keeps hold what they hold, until somebody says
 * otherwise.
 */
import { dirname } from "node:path";
import type { StorePaths } from "./paths.ts";
import { readMirrorFile, writeMirrorFile } from "./mirror-file.ts";
import { registryName, type Context } from "./context.ts";

export interface PullMode {
  readonly pulls: boolean;
  /** What decided it, and how it is changed: the end of a sentence. */
  readonly why: string;
}

export type PullModeKey = "pull" | "offline" | "readOnly" | "hermetic";

/** @param isTracked whether git keeps a file */
export async function pullMode(
  { config, paths }: Context<PullModeKey>,
  isTracked: (path: string) => Promise<boolean>,
): Promise<PullMode> {
  const pulling = "--pull lets it fetch";
  if (config.readOnly) return { pulls: false, why: "--read-only says so" };
  if (config.hermetic) return { pulls: false, why: "--hermetic says so" };
  if (config.offline) return { pulls: false, why: "--offline says so" };
  if (config.pull === true) return { pulls: true, why: "--offline keeps it from that" };
  if (config.pull === false) return { pulls: false, why: `the configuration says so; ${pulling}` };
  if (!isOfOneFolder(paths)) return { pulls: false, why: `its folders are given one by one; ${pulling}` };
  const file = await readMirrorFile(paths);
  if (file?.pull === undefined) return { pulls: false, why: `it was made before mirrors did; ${pulling}` };
  if (!file.pull) return { pulls: false, why: `mirror.json says so; ${pulling}` };
  if (await isTracked(paths.mirrorFile.path)) return { pulls: false, why: `git keeps it; ${pulling}` };
  return { pulls: true, why: "--offline keeps it from that" };
}

/** In a line: `which fetches what it does not hold (--offline keeps it from that)` */
export function describeMode({ pulls, why }: PullMode): string {
  return pulls ? `which fetches what it does not hold (${why})` : `offline, since ${why}`;
}

/** A mirror that is not there yet fetches what it is asked for from its beginning. For the only writer. */
export async function beginMirror(context: Context<"registryName">): Promise<void> {
  const { paths } = context;
  if (paths.mirrorFile.look() !== undefined || !isOfOneFolder(paths)) return;
  const rooms = [paths.hex, paths.git, paths.knownLocksDir, paths.upstreamDir];
  const entries = await Promise.all(rooms.map(async (place) => (place.isFolder() ? place.allEntries() : [])));
  if (entries.every((each) => each.length === 0)) {
    await writeMirrorFile(paths, { registryName: await registryName(context), pull: true });
  }
}

function isOfOneFolder({ mirror, hex, git }: StorePaths): boolean {
  return [hex, git].every(({ path }) => dirname(path) === mirror.path);
}
