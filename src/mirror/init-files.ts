/** The files that `init` writes, and what stands in each. */
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { composeOverride, overrideName, type MirrorFolders } from "../project/compose-override.ts";
import { withMark } from "../project/mark.ts";
import type { OldStack } from "../project/old-stack.ts";
import {
  entrypoint,
  gitattributes,
  gitattributesBefore,
  gitignoreAll,
  preCommit,
  workflow,
} from "../project/templates.ts";
import { exists, isFolder } from "../disk/files.ts";
import { Place } from "../disk/place.ts";
import type { Lock } from "../lock/entries.ts";
import { hexApiHost, hexHosts, hexRegistryHost } from "../names/known-hosts.ts";
import { showPolicyName } from "../names/policy-names.ts";
import { hexpm, sourceOf } from "../names/hex-repository.ts";
import { listRegistries } from "../store/inventory.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import type { Context } from "../store/context.ts";
import { gitignoreBefore, mirrorGitignore } from "../store/mirror-file.ts";
import { listServedHosts } from "../store/served-hosts.ts";
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
  | "usePolicy"
  | "said";

export interface Plan {
  readonly place: Place;
  readonly content: string;
  readonly isExecutable?: true;
  /** What we write there in other cases, and may therefore replace. */
  readonly ours?: readonly string[];
}

export interface Project {
  readonly folder: string;
  readonly locks: readonly Lock[];
  /** What is there of the stack before, where nothing else says where the mirror lies. */
  readonly oldStack: OldStack | undefined;
  readonly compose: ComposeFindings | undefined;
}

export const configFile = "mirror.config.json";

/** What `init --commit` leaves, and nothing else does. */
export async function isCommitted({ paths }: Context): Promise<boolean> {
  const found = await Promise.all(
    [gitattributes, ...gitattributesBefore].map(async (each) => paths.gitattributes.contains(each)),
  );
  return found.some(Boolean);
}

export async function planned(
  context: Context<InitKey>,
  { folder, locks, oldStack, compose }: Project,
): Promise<Plan[]> {
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
    ...(commit ? [{ place: paths.gitattributes, content: gitattributes, ours: gitattributesBefore }] : []),
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
    // Gleam asks these by their names, whatever it is told.
    const isGleam = locks.some(({ kind }) => kind === "gleam");
    const held = listServedHosts(paths).filter((host) => !hexHosts.has(host));
    const input = {
      ...compose.project,
      gitHosts: [...new Set([...held, ...named, ...(isGleam ? [hexRegistryHost, hexApiHost] : [])])]
        .filter((host) => host !== "localhost")
        .sort(),
      repositories: await ownRepositories(context),
      policy: config.usePolicy === undefined ? undefined : showPolicyName(config.usePolicy),
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

/** Hex repositories that Hex has to be told of: those besides hexpm and its organisations. */
async function ownRepositories({ config, paths }: Context<"usePolicy">): Promise<string[]> {
  const held = (await listRegistries(paths)).map(({ repository }) => repository);
  const all = [...held, ...(config.usePolicy === undefined ? [] : [config.usePolicy.repository])];
  return [...new Set(all)].filter((name) => sourceOf(name) === name && name !== hexpm).sort();
}

/** Where git runs hooks; the folder itself where there is no repository yet. */
export function repositoryTop(folder: string): string {
  for (let top = folder; ; top = dirname(top)) {
    if (exists(join(top, ".git"))) return top;
    if (top === dirname(top)) return folder;
  }
}

/** As compose writes them: relative to its file where they lie below it. */
function foldersFrom(folder: string, { paths }: Context, oldStack: OldStack | undefined): MirrorFolders {
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
