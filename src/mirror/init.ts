/** Writes what a project needs to use a mirror beside its own files, and never over them. */
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import {
  composeOverride,
  entrypoint,
  gitattributes,
  gitattributesBefore,
  gitignoreAll,
  preCommit,
  workflow,
  type MirrorFolders,
} from "../clients/templates.ts";
import { exists, isFolder, readIfPresent } from "../disk/files.ts";
import { Place } from "../disk/place.ts";
import type { Lock } from "../lock/entries.ts";
import { hexHosts } from "../names/known-hosts.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { gitignoreBefore, mirrorGitignore, readMirrorFile, writeMirrorFile } from "../store/mirror-file.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { asOnlyWriter, registryName, type Context } from "../store/context.ts";

/** What a project is to be given, and which repositories its locks may name. */
export type InitKey =
  "registryName" | "compose" | "commit" | "service" | "allowLocalGit" | "allowHosts" | "allowOwners";

export interface InitResult {
  readonly written: readonly string[];
  /** What was there as it should be. */
  readonly unchanged: readonly string[];
  /** What was there and says something else; left alone. */
  readonly kept: readonly string[];
  /** What to look at before it is used. */
  readonly notes: readonly string[];
}

interface Plan {
  readonly place: Place;
  readonly content: string;
  readonly isExecutable?: true;
  /** What we write there in other cases, and may therefore replace. */
  readonly ours?: readonly string[];
}

/** @param folder the project's @param locks its own, if it has any */
export async function init(context: Context<InitKey>, folder: string, locks: readonly Lock[]): Promise<InitResult> {
  const { config } = context;
  const notes = [
    ...(config.compose ? await composeNotes(folder, config.service) : []),
    ...(config.commit ? await lockNameNotes(folder, locks) : []),
    ...((await isCommitted(context)) && !config.commit ? [committedNote] : []),
  ];
  const result = { written: [] as string[], unchanged: [] as string[], kept: [] as string[], notes };
  for (const { place, content, isExecutable, ours = [] } of await planned(context, folder, locks)) {
    const shown = relative(folder, place.path);
    if (await place.contains(content)) result.unchanged.push(shown);
    else if (place.look() !== undefined && !(await isOneOf(place, ours))) result.kept.push(shown);
    else {
      await place.write(content);
      if (isExecutable) await place.setMode(0o755);
      result.written.push(shown);
    }
  }
  if (config.commit && (await keepOffline(context)))
    result.written.push(relative(folder, context.paths.mirrorFile.path));
  return result;
}

/** What is committed holds what was synced on purpose, in every clone of it. @returns whether that had to be written */
async function keepOffline(context: Context<"registryName">): Promise<boolean> {
  const { paths } = context;
  if ((await readMirrorFile(paths))?.pull === false) return false;
  await asOnlyWriter(context, async () =>
    writeMirrorFile(paths, { registryName: await registryName(context), pull: false }),
  );
  return true;
}

const committedNote =
  "the mirror is set up to be committed, and stays so; to take that back, delete its .gitattributes and run init again";

/** What `init --commit` leaves, and nothing else does. */
async function isCommitted({ paths }: Context): Promise<boolean> {
  return isOneOf(paths.gitattributes, [gitattributes, gitattributesBefore]);
}

/** A committed mirror is synced from clones, each in a folder of its own name: the lock needs one name in all of them. */
async function lockNameNotes(folder: string, locks: readonly Lock[]): Promise<string[]> {
  const text = (await readIfPresent(join(folder, configFile)))?.toString("utf8");
  if (text === undefined || locks.length !== 1 || /"lockName"/.test(text)) return [];
  return [`${configFile} has no "lockName"; give ${JSON.stringify(locks[0]?.name)}, so that every clone calls it so`];
}

const configFile = "mirror.config.json";

/** Read by its lines alone: enough to tell a name that is not there, too little to refuse one. */
async function composeNotes(folder: string, service: string): Promise<string[]> {
  const names = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
  for (const name of names) {
    const text = (await readIfPresent(join(folder, name)))?.toString("utf8");
    if (text === undefined) continue;
    const block = /^services:\s*\n((?:[ \t#].*\n|\s*\n)*)/m.exec(`${text}\n`)?.[1] ?? "";
    const indent = /^( +)\S/m.exec(block)?.[1] ?? "  ";
    const services = [...block.matchAll(new RegExp(`^${indent}(["']?)([\\w.-]+)\\1:`, "gm"))].map(
      ([, , found]) => found,
    );
    const unknown = services.includes(service)
      ? []
      : [`${name} has no service "${service}"; give --service, one of: ${services.join(", ") || "none found"}`];
    const old = /GIT_SSL_NO_VERIFY|HEX_NO_VERIFY|HEX_UNSAFE/.test(text)
      ? [`${name} switches verification off (GIT_SSL_NO_VERIFY or the like): take that out, it is not needed any more`]
      : [];
    const links = /:(?:github\.com|app_deps)["']?\s*$/m.test(text)
      ? [`${name} links github.com or app_deps to something else: take that out, or it wins over the mirror`]
      : [];
    return [...unknown, ...old, ...links];
  }
  return ["there is no compose file here; docker-compose.mirror.yml adds to one"];
}

async function isOneOf(place: Place, contents: readonly string[]): Promise<boolean> {
  return (await Promise.all(contents.map((content) => place.contains(content)))).some(Boolean);
}

async function planned(context: Context<InitKey>, folder: string, locks: readonly Lock[]): Promise<Plan[]> {
  const { config, paths } = context;
  const commit = config.commit || (await isCommitted(context));
  // The user's own folder, which may be reached through any link; below it, what we write goes through none.
  const project = Place.root({ dir: folder, noun: "a project", isOne: () => true });
  const files: Plan[] = [
    {
      place: paths.gitignore,
      content: commit ? mirrorGitignore : gitignoreAll,
      ours: [mirrorGitignore, gitignoreBefore, gitignoreAll],
    },
    ...(commit ? [{ place: paths.gitattributes, content: gitattributes, ours: [gitattributesBefore] }] : []),
    {
      place: project.at("mirror/pre-commit"),
      content: preCommit(relative(repositoryTop(folder), folder) || ".", relative(folder, paths.mirror.path)),
      isExecutable: true as const,
    },
  ];
  const [lock, ...more] = locks;
  if (config.commit && lock !== undefined && more.length === 0 && !exists(join(folder, configFile))) {
    files.push({ place: project.at(configFile), content: `${JSON.stringify({ lockName: lock.name }, null, 2)}\n` });
  }
  if (config.commit && isFolder(join(folder, ".github"))) {
    files.push({ place: project.at(".github/workflows/mirror.yml"), content: workflow });
  }
  if (config.compose) {
    const named = repositoryJobs(locks, config).jobs.map(({ host }) => host);
    const held = listServedHosts(paths).filter((host) => !hexHosts.has(host));
    const input = {
      service: config.service,
      gitHosts: [...new Set([...held, ...named])].filter((host) => host !== "localhost").sort(),
      lockName: lock?.name ?? "app",
      folders: foldersFrom(folder, context),
      hasConfig: exists(join(folder, configFile)),
    };
    files.push(
      { place: project.at("docker-compose.mirror.yml"), content: composeOverride(input) },
      { place: project.at("mirror/entrypoint.sh"), content: entrypoint, isExecutable: true },
    );
  }
  return files;
}

/** Where git runs hooks; the folder itself where there is no repository yet. */
function repositoryTop(folder: string): string {
  for (let top = folder; ; top = dirname(top)) {
    if (exists(join(top, ".git"))) return top;
    if (top === dirname(top)) return folder;
  }
}

/** As compose writes them: relative to its file where they lie below it. */
function foldersFrom(folder: string, { paths }: Context): MirrorFolders {
  const shown = (path: string) => {
    const below = relative(folder, path);
    return below.startsWith("..") || isAbsolute(below) ? path : `./${below}`;
  };
  const isWithin = (path: string) => path.startsWith(paths.mirror.path + sep);
  const outside = (path: string) => (isWithin(path) ? undefined : shown(path));
  return {
    mirror: shown(paths.mirror.path),
    hex: outside(paths.hex.path),
    git: outside(paths.git.path),
    privateKey: outside(paths.privateKey.path),
  };
}
