/**
 * Removes what no known lock and no entry of the configuration needs. The folder is the only truth: what is needed is
 * asked of the locks that it knows, and all else goes.
 */
import { rm, rmdir } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { MirrorError } from "../errors.ts";
import { isFolder } from "../files.ts";
import { hexpm, shownPackage } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { listFolder } from "../store/atomic.ts";
import { readFileChecksums, writeFileChecksums } from "../store/file-checksums.ts";
import { listDocs, listRegistries, listRepositories, listTarballs } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { listFiles, sizeOf } from "../store/sizes.ts";
import { readValidators, writeValidators } from "../store/validators.ts";
import { buildAsOnlyWriter, type BuildResult } from "./build.ts";
import { asOnlyWriter, requireMirror, type Context } from "./context.ts";
import { configuredLocks } from "./wanted.ts";

export interface PruneResult {
  readonly removed: readonly { readonly item: string; readonly bytes: number }[];
  readonly bytes: number;
  /** What was left alone although nothing names it, and why. */
  readonly notes: readonly string[];
}

interface Removal {
  readonly item: string;
  readonly paths: readonly string[];
}

export async function prune(context: Context): Promise<PruneResult> {
  await requireMirror(context);
  return context.config.dryRun ? pruneAsOnlyWriter(context) : asOnlyWriter(context, pruneAsOnlyWriter);
}

async function pruneAsOnlyWriter(context: Context): Promise<PruneResult> {
  const { paths, config } = context;
  const known = await readKnownLocks(paths);
  const kept = locksToKeep(known, config.keepLocks);
  const configured = configuredLocks(config);
  if (kept.every(({ entries }) => entries.length === 0) && configured.length === 0) {
    throw new MirrorError("usage", 'no lock is left, so everything would go; "mirror-server sync" a lock first');
  }
  // What a sync was allowed to take is not lost for want of its option here.
  const plan = makePlan([...kept, ...configured], { allowLocalGit: true });
  for (const { app, lock, reason } of plan.refused) {
    throw new MirrorError(
      "config",
      `what "${app}" of the lock ${lock} needs cannot be told, so nothing goes: ${reason}`,
    );
  }
  const forgotten = known.filter((lock) => !kept.includes(lock));
  const removals = [
    ...forgotten.map(({ name }) => ({ item: `the lock ${name}`, paths: [paths.knownLock(name)] })),
    ...(await hexRemovals(context, plan)),
    ...(await gitRemovals(context, plan)),
    ...(await fileRemovals(context)),
  ];
  // The registry forgets them first: whatever ends this in between, nothing is listed that is not here.
  let corrupt: BuildResult["corrupt"] = [];
  if (!config.dryRun && removals.length > 0) {
    ({ corrupt } = await buildAsOnlyWriter(context, new Set(removals.flatMap(({ paths: doomed }) => doomed))));
  }
  const removed: { item: string; bytes: number }[] = [];
  for (const removal of removals) {
    const sizes = await Promise.all(removal.paths.map(sizeOf));
    removed.push({ item: removal.item, bytes: sizes.reduce((sum, size) => sum + size, 0) });
    if (config.dryRun) continue;
    for (const path of removal.paths) await remove(path, context);
  }
  if (!config.dryRun && removed.length > 0) await forgetMetadata(context);
  const notes = [
    ...(config.files.length === 0 && (await listFiles(paths.filesDir)).length > 0 ? [filesNote] : []),
    ...corrupt.map(({ file, reason }) => `left out of the registry: ${file}: ${reason}`),
  ];
  return { removed, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0), notes };
}

const filesNote = 'files are left alone, since the configuration in use has no "files"';

function locksToKeep(known: readonly Lock[], names: readonly string[] | undefined): Lock[] {
  if (names === undefined) return [...known];
  const unknown = names.find((name) => !known.some((lock) => lock.name === name));
  if (unknown !== undefined) {
    const list = known.map(({ name }) => name).join(", ");
    throw new MirrorError("usage", `--keep-locks: the mirror knows no lock "${unknown}"; it knows ${list || "none"}`);
  }
  return known.filter(({ name }) => names.includes(name));
}

async function hexRemovals({ paths }: Context, plan: Plan): Promise<Removal[]> {
  const removals: Removal[] = [];
  for (const registry of await listRegistries(paths)) {
    // By place: whose a folder is that was made by hand, its name does not tell.
    const jobs = plan.packages.filter(({ repository }) => paths.registry(repository).dir === registry.dir);
    if (jobs.length === 0 && registry.repository !== hexpm && (await isFolder(registry.upstreamPackagesDir))) {
      removals.push({ item: `the repository ${registry.repository}`, paths: [registry.dir, ...registry.ofUpstream] });
      continue;
    }
    const needed = new Set(jobs.flatMap(({ name, releases }) => releases.map(({ version }) => `${name} ${version}`)));
    const packages = new Set(jobs.map(({ name }) => name));
    for (const { name, version, path } of await listTarballs(registry)) {
      if (needed.has(`${name} ${version}`)) continue;
      const item = `${shownPackage(registry.repository, name)} ${version}`;
      removals.push({ item, paths: [path, registry.docs(name, version)] });
    }
    for (const { name, version, path } of await listDocs(registry)) {
      const isGone = removals.some((removal) => removal.paths.includes(path));
      if (!needed.has(`${name} ${version}`) && !isGone) {
        removals.push({
          item: `the documentation of ${shownPackage(registry.repository, name)} ${version}`,
          paths: [path],
        });
      }
    }
    for (const name of await listFolder(registry.upstreamPackagesDir)) {
      const item = `upstream's record of ${shownPackage(registry.repository, name)}`;
      if (!packages.has(name)) removals.push({ item, paths: [registry.upstreamPackage(name)] });
    }
  }
  return removals;
}

async function gitRemovals({ paths }: Context, plan: Plan): Promise<Removal[]> {
  const needed = new Set(plan.repositories.map(({ host, path }) => `${host}/${path}`.toLowerCase()));
  return (await listRepositories(paths))
    .filter(({ host, path }) => !needed.has(`${host}/${path}`.toLowerCase()))
    .map(({ host, path, dir }) => ({ item: `https://${host}/${path}`, paths: [dir] }));
}

/** A configuration without files may be that of another folder, so it removes none. */
async function fileRemovals({ paths, config }: Context): Promise<Removal[]> {
  if (config.files.length === 0) return [];
  const needed = new Set(fileJobs(config.files).map(({ host, path }) => paths.filePath(host, path)));
  return (await listFiles(paths.filesDir))
    .filter((file) => !needed.has(file))
    .map((file) => ({ item: `https://${file}`, paths: [join(paths.filesDir, file)] }));
}

/** Validators and checksums of what is gone. */
async function forgetMetadata({ paths, config }: Context): Promise<void> {
  for (const registry of await listRegistries(paths)) {
    const held = new Set(await listFolder(registry.upstreamPackagesDir));
    const docs = new Set((await listDocs(registry)).map(({ name, version }) => `docs/${name}-${version}`));
    const validators = await readValidators(registry);
    for (const key of validators.keys()) if (!held.has(key) && !docs.has(key)) validators.delete(key);
    if (validators.size > 0 || held.size > 0) await writeValidators(registry, validators);
  }
  if (config.files.length === 0) return;
  const needed = new Set(fileJobs(config.files).map(({ host, path }) => `${host}/${path}`));
  const checksums = await readFileChecksums(paths);
  for (const key of checksums.keys()) if (!needed.has(key)) checksums.delete(key);
  await writeFileChecksums(paths, checksums);
}

/** With the folders that it leaves empty, up to the mirror's own. */
async function remove(path: string, { paths }: Context): Promise<void> {
  await rm(path, { recursive: true, force: true });
  const roots = [paths.gitDir, paths.filesDir, paths.reposDir, paths.upstreamDir];
  for (let folder = dirname(path); roots.some((root) => folder.startsWith(root + sep)); folder = dirname(folder)) {
    const isGone = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!isGone) return;
  }
}
