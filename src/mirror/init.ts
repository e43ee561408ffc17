/** Writes what a project needs to use a mirror beside its own files, and never over them. */
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { composeArguments, composeOverride, overrideName, type MirrorFolders } from "../clients/compose-override.ts";
import { isUnchanged, withMark } from "../clients/mark.ts";
import { oldStackIn, type OldStack } from "../clients/old-stack.ts";
import {
  entrypoint,
  gitattributes,
  gitattributesBefore,
  gitignoreAll,
  preCommit,
  workflow,
} from "../clients/templates.ts";
import type { Config } from "../config.ts";
import { exists, isFolder, readIfPresent } from "../disk/files.ts";
import { givingToOwnerOf } from "../disk/give.ts";
import { Place } from "../disk/place.ts";
import type { GitEnvironments } from "../git/environment.ts";
import type { Lock } from "../lock/entries.ts";
import { hexHosts } from "../names/known-hosts.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { gitignoreBefore, mirrorGitignore, readMirrorFile, writeMirrorFile } from "../store/mirror-file.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { asOnlyWriter, registryName, type Context } from "../store/context.ts";
import { keyProblems } from "../store/weak-key.ts";
import { parseJson } from "../text.ts";
import type { ComposeFindings } from "./compose-project.ts";

/** What a project is to be given, and which repositories its locks may name. */
export type InitKey =
  | "registryName"
  | "compose"
  | "commit"
  | "service"
  | "allowLocalGit"
  | "allowHosts"
  | "allowOwners"
  | "hexDir"
  | "gitDir"
  | "privateKey"
  | "said";

export interface InitResult {
  readonly written: readonly string[];
  /** What was there as it should be. */
  readonly unchanged: readonly string[];
  /** What was there and says something else; left alone. */
  readonly kept: readonly string[];
  /** What to look at before it is used. */
  readonly notes: readonly string[];
  /** What compose is to be given; undefined: there is nothing for compose. */
  readonly composeArguments: string | undefined;
  /** From the top of the repository. */
  readonly hook: string;
}

interface Plan {
  readonly place: Place;
  readonly content: string;
  readonly isExecutable?: true;
  /** What we write there in other cases, and may therefore replace. */
  readonly ours?: readonly string[];
}

interface Project {
  readonly folder: string;
  readonly locks: readonly Lock[];
  /** What is there of the stack before, where nothing else says where the mirror lies. */
  readonly oldStack: OldStack | undefined;
  readonly compose: ComposeFindings | undefined;
}

/** @param folder the project's @param locks its own, if it has any @throws MirrorError `usage` before anything is written */
export async function init(
  context: Context<InitKey>,
  folder: string,
  locks: readonly Lock[],
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<InitResult> {
  const { config } = context;
  const oldStack = await oldStackOf(context, folder);
  const sources = { ...config, ...oldStack };
  const parts = [sources.hexDir, sources.gitDir].map((path) => resolve(folder, path));
  // With libraries for YAML and Dockerfiles, for which nothing else has a use.
  const readCompose = async () =>
    (await import("./compose-project.ts")).readComposeProject(folder, { service: config.service, parts });
  const compose = config.compose ? await readCompose() : undefined;
  const project = { folder, locks, oldStack, compose };
  const notes = [
    ...(compose?.notes ?? []),
    ...(await configNotes(project, config.commit)),
    ...(await keyNotes(context, project, gitEnvironments)),
    ...((await isCommitted(context)) && !config.commit ? [committedNote] : []),
  ];
  const result = { written: [] as string[], unchanged: [] as string[], kept: [] as string[], notes };
  // All are looked at before any is written.
  const looked: (Plan & { readonly present: string | undefined; readonly isTheirs: boolean })[] = [];
  for (const plan of await planned(context, project)) {
    const found = plan.place.look();
    const present = found?.isFile() === true ? (await plan.place.read())?.toString("utf8") : undefined;
    const isOurs = present !== undefined && (plan.ours?.includes(present) === true || isUnchanged(present));
    looked.push({ ...plan, present, isTheirs: found !== undefined && !isOurs });
  }
  for (const { place, content, isExecutable, present, isTheirs } of looked) {
    const shown = relative(folder, place.path);
    if (present === content) result.unchanged.push(shown);
    else if (isTheirs) result.kept.push(shown);
    else {
      const give = givingToOwnerOf(folder, place.path);
      await place.write(content);
      if (isExecutable) await place.setMode(0o755);
      give();
      result.written.push(shown);
    }
  }
  if (config.commit) {
    const gives = [context.paths.mirrorFile, context.paths.lockDir].map(({ path }) => givingToOwnerOf(folder, path));
    if (await keepOffline(context)) result.written.push(relative(folder, context.paths.mirrorFile.path));
    for (const give of gives) give();
  }
  return {
    ...result,
    composeArguments: compose === undefined ? undefined : composeArguments(compose.project.files),
    hook: join(relative(repositoryTop(folder), folder), "mirror/pre-commit"),
  };
}

/** By its name beside the lock: from within a container its path would be another. */
async function keyNotes(
  { config }: Context<InitKey>,
  { folder, oldStack }: Project,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<string[]> {
  const file = resolve(folder, oldStack?.privateKey ?? config.privateKey);
  return (await keyProblems(file, gitEnvironments)).map((text) => text.replaceAll(folder + sep, ""));
}

/** Only where nobody said where the mirror lies, and none was made here since. */
async function oldStackOf({ config, paths }: Context<InitKey>, folder: string): Promise<OldStack | undefined> {
  const isSaid = (["mirror", "hexDir", "gitDir"] as const).some((key) => config.said.has(key));
  return isSaid || paths.mirrorFile.look() !== undefined ? undefined : oldStackIn(folder);
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
  const found = await Promise.all(
    [gitattributes, gitattributesBefore].map(async (each) => paths.gitattributes.contains(each)),
  );
  return found.some(Boolean);
}

const configFile = "mirror.config.json";

/**
 * What a configuration that is there does not say and should: a committed mirror is synced from clones, each in a folder of its
 * own name, so that the lock needs one name in all of them; and folders of the older stack are found by nobody.
 */
async function configNotes({ folder, locks, oldStack }: Project, isCommit: boolean): Promise<string[]> {
  const text = (await readIfPresent(join(folder, configFile)))?.toString("utf8");
  if (text === undefined) return [];
  const present = parseJson(text);
  const lacks = (key: string) => typeof present !== "object" || present === null || !(key in present);
  const notes = Object.entries(oldStack ?? {})
    .filter(([key]) => lacks(key))
    .map(([key, value]) => `${configFile} has no "${key}"; give ${JSON.stringify(value)}, which is here`);
  if (!isCommit || locks.length !== 1 || !lacks("lockName")) return notes;
  const name = JSON.stringify(locks[0]?.name);
  return [...notes, `${configFile} has no "lockName"; give ${name}, so that every clone calls it so`];
}

async function planned(context: Context<InitKey>, { folder, locks, oldStack, compose }: Project): Promise<Plan[]> {
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
      content: withMark(preCommit(relative(repositoryTop(folder), folder) || ".", relative(folder, paths.mirror.path))),
      isExecutable: true as const,
    },
  ];
  const [lock, ...more] = locks;
  const name = config.commit && lock !== undefined && more.length === 0 ? { lockName: lock.name } : {};
  const settings = { ...oldStack, ...name };
  const hasConfig = exists(join(folder, configFile));
  const isWritten = !hasConfig && Object.keys(settings).length > 0;
  if (isWritten) files.push({ place: project.at(configFile), content: `${JSON.stringify(settings, null, 2)}\n` });
  if (config.commit && isFolder(join(folder, ".github"))) {
    files.push({ place: project.at(".github/workflows/mirror.yml"), content: withMark(workflow) });
  }
  if (compose !== undefined) {
    const named = repositoryJobs(locks, config).jobs.map(({ host }) => host);
    const held = listServedHosts(paths).filter((host) => !hexHosts.has(host));
    const input = {
      ...compose.project,
      gitHosts: [...new Set([...held, ...named])].filter((host) => host !== "localhost").sort(),
      lockName: lock?.name ?? "app",
      folders: foldersFrom(folder, context, oldStack),
      hasConfig: hasConfig || isWritten,
    };
    files.push(
      { place: project.at(overrideName), content: withMark(composeOverride(input)) },
      { place: project.at("mirror/entrypoint.sh"), content: withMark(entrypoint), isExecutable: true },
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
function foldersFrom(
  folder: string,
  { paths }: Context,
  oldStack: Partial<Pick<Config, "hexDir" | "gitDir" | "privateKey">> | undefined,
): MirrorFolders {
  const shown = (path: string) => {
    const below = relative(folder, path);
    return below.startsWith("..") || isAbsolute(below) ? path : `./${below}`;
  };
  const isWithin = (path: string) => path.startsWith(paths.mirror.path + sep);
  const outside = (path: string, old: string | undefined) => {
    const meant = old === undefined ? path : resolve(folder, old);
    return isWithin(meant) ? undefined : shown(meant);
  };
  return {
    mirror: shown(paths.mirror.path),
    hex: outside(paths.hex.path, oldStack?.hexDir),
    git: outside(paths.git.path, oldStack?.gitDir),
    privateKey: outside(paths.privateKey.path, oldStack?.privateKey),
  };
}
