/**
 * Word that `serve` leaves for its user's other commands: where it listens, which mirror it serves, and a secret by which it
 * can be known, in a file for that user alone, in the runtime folder or the cache.
 */
import * as z from "zod";
import { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import type { Context } from "../store/context.ts";
import { readJson } from "../store/json-file.ts";
import { ownCache } from "../store/trust.ts";

/** The settings that say where such files lie. */
export type FolderKey = "runtimeDir" | "ownCacheDir";

const schema = z.object({
  port: z.number().int().min(1).max(65535),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  host: z.string().optional(),
  pulls: z.boolean().optional(),
  tlsPort: z.number().optional(),
  folders: z
    .object({
      mirror: z.string(),
      hexDir: z.string(),
      gitDir: z.string(),
      privateKey: z.string(),
      certsDir: z.string(),
    })
    .optional(),
});

/** What a server leaves for its user's other commands. */
export type Announced = z.infer<typeof schema>;

export interface Announcement {
  readonly withdraw: () => Promise<void>;
}

/** For the user's other commands. @throws MirrorError `storage` when there is no folder to write to */
export async function announce(
  context: Pick<Context<FolderKey>, "config">,
  announced: Announced,
): Promise<Announcement> {
  const content = `${JSON.stringify({ ...announced, pid: process.pid })}\n`;
  const { port } = announced;
  let failure: unknown;
  for (const folder of folders(context)) {
    try {
      folder.makeFolder(0o700);
      const file = folder.at(`${port}.json`);
      await file.write(content, 0o600);
      // Another server may have taken the port meanwhile.
      const isOurs = () => file.contains(content).catch(() => false);
      return {
        withdraw: async () => {
          // What stays proves nothing without the server.
          if (await isOurs()) await file.remove().catch(() => undefined);
        },
      };
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** What servers of this user left, whether they still run or not. */
export async function allAnnounced(context: Pick<Context<FolderKey>, "config">): Promise<Announced[]> {
  const files = await Promise.all(folders(context).map(async (folder) => folder.list("file").catch(() => [])));
  const names = new Set(files.flat().filter((name) => /^\d+\.json$/.test(name)));
  return (await Promise.all([...names].map(async (name) => announcedAt(context, name)))).flat();
}

/** @param name of the file: `8000.json` */
export async function announcedAt(context: Pick<Context<FolderKey>, "config">, name: string): Promise<Announced[]> {
  const found = await Promise.all(
    folders(context).map(async (folder) => {
      try {
        const place = folder.at(name);
        if (!isPrivate(place)) return [];
        const found = await readJson({ place, schema, whenDamaged: "counts as none" });
        return found === undefined ? [] : [found];
      } catch {
        return [];
      }
    }),
  );
  return found.flat();
}

/** What others could have written, or read, proves nothing. Windows knows neither users by number nor modes. */
function isPrivate(file: Place): boolean {
  const found = file.look();
  if (found?.isFile() !== true) return false;
  return process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o077) === 0);
}

/** The session's own folder first; a service and a login may have different ones, and then share the cache. */
function folders({ config }: Pick<Context<FolderKey>, "config">): Place[] {
  const { runtimeDir } = config;
  const inCache = ownCache(config).at("servers");
  if (runtimeDir === undefined) return [inCache];
  const root = { dir: runtimeDir, option: "XDG_RUNTIME_DIR", noun: "a runtime folder", isOne: () => true };
  return [Place.root({ ...root, isTrusted: true }).at("mirror-server"), inCache];
}

/** @returns what is told to people where the server cannot be announced */
export function notAnnounced(error: unknown): string {
  return `exec and env of this user will not know this server: ${describeError(error)}`;
}
