/**
 * Which mirror is meant, where nobody says so by a flag, the environment or a configuration file: that of a server of this
 * user, which proves by its secret that it serves the folder that it left word of; else the nearest `.mirror` upwards, which
 * has to belong to this user, since what lies in it is believed. Never above the home folder, nor on another file system.
 */
import { lstatSync, realpathSync, statSync, type Stats } from "node:fs";
import { dirname, join } from "node:path";
import { nowhere, type Config, type Located } from "../config.ts";
import { exists } from "../disk/files.ts";
import { isMirror } from "../disk/folder-kinds.ts";
import { homeFolder } from "../disk/scratch.ts";
import { describeOldStack, oldStackIn } from "../project/old-stack.ts";
import { allAnnounced, type Announced } from "./announced-servers.ts";
import { isRunning } from "./running-server.ts";

type LocateKey = "cwd" | "said" | "hasFile" | "port" | "url" | "hexDir" | "runtimeDir" | "ownCacheDir";

const here = ".mirror";
const folders = ["mirror", "hexDir", "gitDir"] as const;

/** @param withServers whether one that runs says which is meant; not for what starts one */
export async function locateMirror(config: Pick<Config, LocateKey>, withServers: boolean): Promise<Located> {
  const { said, hasFile, cwd, url } = config;
  const running = withServers && url === undefined ? await runningServers(config) : [];
  if (hasFile || folders.some((key) => said.has(key))) {
    // Which mirror is known, and only whether it is served, and where.
    const server = running.find((each) => realOrNone(each.folders.hexDir) === realOrNone(config.hexDir));
    return server === undefined ? nowhere : { ...nowhere, values: addressOf(server, said) };
  }
  const { folder, passedOver, isBarred } = nearestAbove(cwd);
  const others = passedOver.map((path) => `${path} belongs to another user, and is not used`);
  const [only, ...more] = running;
  // Of several the one whose mirror would be found anyway, or none.
  const meant = more.length === 0 ? only : running.find(({ folders: { mirror } }) => mirror === folder);
  if (meant !== undefined) return { values: valuesOf(meant, said), nearby: others, isBarred: false };
  const oldStack = oldStackIn(cwd);
  const nearby = [
    ...others,
    ...running.map(({ port, folders: { mirror } }) => `a server of yours serves ${mirror} on port ${port}`),
    ...(oldStack === undefined ? [] : [describeOldStack(oldStack)]),
  ];
  if (folder === undefined) return { values: {}, nearby, isBarred };
  const certsDir = join(dirname(folder), "certs");
  const hasCerts = !exists(certsDir) || isOwnedLike(certsDir, folder);
  return { values: { mirror: folder, ...(hasCerts ? { certsDir } : {}) }, nearby, isBarred: false };
}

type Server = Announced & { readonly folders: NonNullable<Announced["folders"]> };

/** One for each mirror. */
async function runningServers(config: Pick<Config, LocateKey>): Promise<Server[]> {
  const all = (await allAnnounced({ config })).filter(hasFolders);
  const asked = config.said.has("port") ? all.filter(({ port }) => port === config.port) : all;
  const found = await Promise.all(asked.map(async (each) => ((await isRunning(each)) ? [each] : [])));
  return [...new Map(found.flat().map((each) => [each.folders.hexDir, each])).values()];
}

function hasFolders(announced: Announced): announced is Server {
  return announced.folders !== undefined;
}

function valuesOf(server: Server, said: Config["said"]): Located["values"] {
  return { ...server.folders, ...addressOf(server, said) };
}

/** A port that somebody named is that of the server that is meant; so is where it listens. */
function addressOf({ port, host, tlsPort }: Server, said: Config["said"]): Located["values"] {
  const address = said.has("port") || said.has("host") ? {} : { port, ...(host === undefined ? {} : { host }) };
  return { ...address, ...(tlsPort === undefined ? {} : { tlsPort }) };
}

interface Nearest {
  readonly folder: string | undefined;
  /** Those of other users, on the way to it. */
  readonly passedOver: readonly string[];
  /** Whether one of these lies where a mirror would be made. */
  readonly isBarred: boolean;
}

/** From the working folder up. */
function nearestAbove(cwd: string): Nearest {
  const homes = new Set([homeFolder(), realOrNone(homeFolder())]);
  const passedOver: string[] = [];
  const isBarred = () => passedOver.includes(join(cwd, here));
  const device = look(cwd)?.dev;
  for (let folder = cwd; look(folder)?.dev === device; folder = dirname(folder)) {
    const path = join(folder, here);
    if (look(path)?.isDirectory() === true) {
      if (!isOurs(path, cwd)) passedOver.push(path);
      // In the working folder it is what is meant, empty or not.
      else if (folder === cwd || isMirror(path)) return { folder: path, passedOver, isBarred: isBarred() };
    }
    if (homes.has(folder) || folder === dirname(folder)) break;
  }
  return { folder: undefined, passedOver, isBarred: isBarred() };
}

/**
 * This user's, itself and what it leads to. Root believes besides what belongs to whom the working folder belongs to: in a
 * container that is who has mounted it. Windows knows no users by number.
 */
function isOurs(path: string, cwd: string): boolean {
  const own = process.getuid?.();
  const isFine = (found: Stats | undefined) =>
    own === undefined || found?.uid === own || (own === 0 && found?.uid === look(cwd)?.uid);
  return isFine(lstatSync(path, { throwIfNoEntry: false })) && isFine(look(path));
}

function isOwnedLike(path: string, folder: string): boolean {
  return look(path)?.uid === look(folder)?.uid;
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function realOrNone(path: string | undefined): string | undefined {
  try {
    return path === undefined ? undefined : realpathSync(path);
  } catch {
    return undefined;
  }
}
