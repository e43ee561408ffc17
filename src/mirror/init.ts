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
  /** What to look at before it is used. */
  readonly notes: readonly string[];
}

interface Plan {
  readonly path: string;
  readonly content: string;
  readonly isExecutable?: true;
  /** What we write there in other cases, and may therefore replace. */
  readonly ours?: readonly string[];
}

/** @param folder the project's @param locks its own, if it has any */
export async function init(context: Context, folder: string, locks: readonly Lock[]): Promise<InitResult> {
  const notes = context.config.compose ? await composeNotes(folder, context.config.service) : [];
  const result = { written: [] as string[], unchanged: [] as string[], kept: [] as string[], notes };
  for (const { path, content, isExecutable, ours = [] } of await planned(context, folder, locks)) {
    const shown = relative(folder, path);
    if (await holds(path, content)) result.unchanged.push(shown);
    else if ((await readIfPresent(path)) !== undefined && !(await isOneOf(path, ours))) result.kept.push(shown);
    else {
      await writeAtomic(path, content);
      if (isExecutable) await chmod(path, 0o755);
      result.written.push(shown);
    }
  }
  return result;
}

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

async function isOneOf(path: string, contents: readonly string[]): Promise<boolean> {
  return (await Promise.all(contents.map((content) => holds(path, content)))).some(Boolean);
}

async function planned({ config, paths }: Context, folder: string, locks: readonly Lock[]): Promise<Plan[]> {
  const files: Plan[] = [
    {
      path: paths.gitignore,
      content: config.commit ? mirrorGitignore : gitignoreAll,
      ours: [mirrorGitignore, gitignoreAll],
    },
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
