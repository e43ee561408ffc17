/** Writes what a project needs to use a mirror beside its own files, and never over them. */
import { join, relative, resolve, sep } from "node:path";
import { composeArguments } from "../project/compose-override.ts";
import { isUnchanged } from "../project/mark.ts";
import { oldStackIn, type OldStack } from "../project/old-stack.ts";
import { readIfPresent } from "../disk/files.ts";
import { givingToOwnerOf } from "../disk/give.ts";
import type { GitEnvironments } from "../git/environment.ts";
import type { Lock } from "../lock/entries.ts";
import { readMirrorFile, writeMirrorFile } from "../store/mirror-file.ts";
import { asOnlyWriter, registryName, type Context } from "../store/context.ts";
import { keyProblems } from "../store/weak-key.ts";
import { parseJson } from "../text.ts";
import {
  configFile,
  isCommitted,
  planned,
  repositoryTop,
  type InitKey,
  type Plan,
  type Project,
} from "./init-files.ts";

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
