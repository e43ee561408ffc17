/**
 * Which mirror is meant, where nobody says so by a flag, the environment or a configuration file: that of a server of this
 * user, which proves by its secret that it serves the folder that it left word of; else the nearest `.mirror` upwards, which
 * has to belong to this user, since what lies in it is believed. Never above the home folder, nor on another file system.
 */
import { lstatSync, statSync, type Stats } from "node:fs";
import { dirname, join } from "node:path";
import type { Config, Located } from "../config.ts";
import { isMirror } from "../disk/folder-kinds.ts";
import { isOthers } from "../disk/root.ts";
import { homeFolder } from "../disk/scratch.ts";
import { MirrorError } from "../errors.ts";
import { describeOldStack, oldStackIn } from "./old-stack.ts";
import { allAnnounced, isRunning, type Announced } from "./running-server.ts";

export type LocateKey =
  "cwd" | "said" | "hasFile" | "port" | "url" | "offline" | "mirror" | "runtimeDir" | "ownCacheDir";

const here = ".mirror";
const folders = ["mirror", "hexDir", "gitDir"] as const;

/**
 * @param withServers whether one that runs says which is meant; not for what starts one
 * @throws MirrorError `config` for a folder of another user's where one of this user's would be
 */
export async function locateMirror(config: Pick<Config, LocateKey>, withServers: boolean): Promise<Located> {
  const { said, hasFile, cwd, url } = config;
  if (hasFile || folders.some((key) => said.has(key))) return { values: {}, nearby: [] };
  const running = withServers && url === undefined ? await runningServers(config) : [];
  const above = nearestAbove(cwd);
  const [only, ...more] = running;
  // Of several the one whose mirror would be found anyway, or none.
  const meant = more.length === 0 ? only : running.find(({ folders: { mirror } }) => mirror === above.folder);
  if (meant !== undefined) return { values: valuesOf(meant, said), nearby: above.passedOver };
  const oldStack = oldStackIn(cwd);
  const nearby = [
    ...above.passedOver,
    ...running.map(({ port, folders: { mirror } }) => `a server of yours serves ${mirror} on port ${port}`),
    ...(oldStack === undefined ? [] : [describeOldStack(oldStack)]),
  ];
  if (above.folder === undefined) {
    const foreign = above.passedOver.find((text) => text.startsWith(`${join(cwd, here)} `));
    if (foreign !== undefined)
      throw new MirrorError("config", `${foreign}, and is not used; give --mirror if it is right`);
    return { values: {}, nearby };
  }
  const certsDir = join(dirname(above.folder), "certs");
  return { values: { mirror: above.folder, certsDir }, nearby };
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

function valuesOf({ port, host, tlsPort, folders: of }: Server, said: Config["said"]): Located["values"] {
  // A port that somebody named is that of the server that is meant; so is where it listens.
  const address = said.has("port") || said.has("host") ? {} : { port, ...(host === undefined ? {} : { host }) };
  return { ...of, ...address, ...(tlsPort === undefined ? {} : { tlsPort }) };
}

/** From the working folder up. */
function nearestAbove(cwd: string): { readonly folder: string | undefined; readonly passedOver: readonly string[] } {
  const home = homeFolder();
  const passedOver: string[] = [];
  const device = look(cwd)?.dev;
  for (let folder = cwd; look(folder)?.dev === device; folder = dirname(folder)) {
    const path = join(folder, here);
    const link = lstatSync(path, { throwIfNoEntry: false });
    const found = look(path);
    if (link !== undefined && found?.isDirectory() === true) {
      if (isOthers(link) || isOthers(found)) passedOver.push(`${path} belongs to another user`);
      // In the working folder it is what is meant, empty or not.
      else if (folder === cwd || isMirror(path)) return { folder: path, passedOver };
    }
    if (folder === home || folder === dirname(folder)) break;
  }
  return { folder: undefined, passedOver };
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
