/** Writes what a project needs to use a mirror beside its own files, and never over them. */
import { chmod } from "node:fs/promises";
import { join, relative } from "node:path";
import { composeOverride, entrypoint, gitattributes, gitignoreAll, preCommit, workflow } from "../clients/templates.ts";
import { isFolder } from "../files.ts";
import type { Lock } from "../lock/entries.ts";
import { makePlan } from "../plan/plan.ts";
import { holds, readIfPresent, writeAtomic } from "../store/atomic.ts";
import { mirrorGitignore } from "../store/mirror-file.ts";
import { createServedHosts } from "../store/served-hosts.ts";
import type { Context } from "./context.ts";

export interface InitResult {
  readonly written: readonly string[];
  /** What was there as it should be. */
  readonly unchanged: readonly string[];
  /** What was there and says something else; left alone. */
  readonly kept: readonly string[];
}

interface Plan {
  readonly path: string;
  readonly content: string;
  readonly isExecutable?: true;
}

/** @param folder the project's @param locks its own, if it has any */
export async function init(context: Context, folder: string, locks: readonly Lock[]): Promise<InitResult> {
  const result = { written: [] as string[], unchanged: [] as string[], kept: [] as string[] };
  for (const { path, content, isExecutable } of await planned(context, folder, locks)) {
    const shown = relative(folder, path);
    if (await holds(path, content)) result.unchanged.push(shown);
    else if ((await readIfPresent(path)) !== undefined) result.kept.push(shown);
    else {
      await writeAtomic(path, content);
      if (isExecutable) await chmod(path, 0o755);
      result.written.push(shown);
    }
  }
  return result;
}

async function planned({ config, paths }: Context, folder: string, locks: readonly Lock[]): Promise<Plan[]> {
  const files: Plan[] = [
    { path: paths.gitignore, content: config.commit ? mirrorGitignore : gitignoreAll },
    ...(config.commit ? [{ path: join(paths.mirrorDir, ".gitattributes"), content: gitattributes }] : []),
    { path: join(folder, "mirror/pre-commit"), content: preCommit, isExecutable: true as const },
  ];
  if (config.commit && (await isFolder(join(folder, ".github")))) {
    files.push({ path: join(folder, ".github/workflows/mirror.yml"), content: workflow });
  }
  if (config.compose) {
    const named = makePlan(locks, config).repositories.map(({ host }) => host);
    const held = createServedHosts(paths)
      .list()
      .filter((host) => !host.endsWith("hex.pm"));
    const input = {
      service: config.service,
      gitHosts: [...new Set([...held, ...named])].filter((host) => host !== "localhost").sort(),
      lockName: locks[0]?.name ?? "app",
    };
    files.push(
      { path: join(folder, "docker-compose.mirror.yml"), content: composeOverride(input) },
      { path: join(folder, "mirror/entrypoint.sh"), content: entrypoint, isExecutable: true },
    );
  }
  return files;
}
