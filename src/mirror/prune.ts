/**
 * Removes what no known lock and no entry of the configuration needs. The folder is the only truth: what is needed is
 * asked of the locks that it knows, and all else goes.
 */
import type { Place } from "../disk/place.ts";
import { listFiles, sizeOf } from "../disk/walk.ts";
import { MirrorError } from "../errors.ts";
import { isRepository } from "../git/inspect.ts";
import { isFilePath } from "../hex/file-names.ts";
import { isPackageName } from "../hex/names.ts";
import { hexpm, shownPackage } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { readFileChecksums, writeFileChecksums } from "../store/file-checksums.ts";
import { listDocs, listRegistries, listRepositories, listTarballs, listWritten } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { readValidators, writeValidators } from "../store/validators.ts";
import { buildAsOnlyWriter, type BuildResult } from "./build.ts";
import { asOnlyWriter, requireMirror, tellForeign, type Context } from "./context.ts";
import { requireGivenKeys } from "./hex-upstreams.ts";
import { configuredLocks } from "./wanted.ts";

export interface PruneResult {
  readonly removed: readonly { readonly item: string; readonly bytes: number }[];
  readonly bytes: number;
  /** What was left alone although nothing names it, and why. */
  readonly notes: readonly string[];
}

interface Removal {
  readonly item: string;
  readonly places: readonly Place[];
  /** A Hex repository that goes as a whole: it is not signed again. */
  readonly registry?: Place;
}

export async function prune(context: Context): Promise<PruneResult> {
  await requireMirror(context);
  await requireGivenKeys(context);
  await tellForeign(context);
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
  const git = await gitRemovals(context, plan);
  const removals: Removal[] = [
    ...forgotten.map(({ name }) => ({ item: `the lock ${name}`, places: [paths.knownLock(name)] })),
    ...(await hexRemovals(context, plan)),
    ...git.removals,
    ...(await fileRemovals(context)),
  ];
  // The registry forgets them first: whatever ends this in between, nothing is listed that is not here.
  let corrupt: BuildResult["corrupt"] = [];
  if (!config.dryRun && removals.length > 0) {
    const doomed = removals.flatMap(({ places, registry }) => [
      ...places,
      ...(registry === undefined ? [] : [registry]),
    ]);
    ({ corrupt } = await buildAsOnlyWriter(context, { without: new Set(doomed.map(({ path }) => path)) }));
  }
  const removed: { item: string; bytes: number }[] = [];
  for (const removal of removals) {
    const sizes = await Promise.all(removal.places.map((place) => sizeOf(place).catch(() => 0)));
    removed.push({ item: removal.item, bytes: sizes.reduce((sum, size) => sum + size, 0) });
    if (config.dryRun) continue;
    for (const place of removal.places) await remove(place, context);
  }
  if (!config.dryRun && removed.length > 0) await forgetMetadata(context);
  const notes = [
    ...git.notes,
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
    const jobs = plan.packages.filter(({ repository }) => paths.registry(repository).dir.path === registry.dir.path);
    if (jobs.length === 0 && registry.repository !== hexpm && registry.upstreamPackagesDir.isFolder()) {
      const item = `the repository ${registry.repository}`;
      removals.push({ item, places: await listWritten(registry), registry: registry.dir });
      continue;
    }
    const needed = new Set(jobs.flatMap(({ name, releases }) => releases.map(({ version }) => `${name} ${version}`)));
    const packages = new Set(jobs.map(({ name }) => name));
    for (const { name, version, place } of await listTarballs(registry)) {
      if (needed.has(`${name} ${version}`)) continue;
      const item = `${shownPackage(registry.repository, name)} ${version}`;
      removals.push({ item, places: [place, registry.docs(name, version)] });
    }
    for (const { name, version, place } of await listDocs(registry)) {
      const isGone = removals.some(({ places }) => places.some(({ path }) => path === place.path));
      if (!needed.has(`${name} ${version}`) && !isGone) {
        removals.push({
          item: `the documentation of ${shownPackage(registry.repository, name)} ${version}`,
          places: [place],
        });
      }
    }
    for (const name of (await registry.upstreamPackagesDir.list("file")).filter(isPackageName)) {
      const item = `upstream's record of ${shownPackage(registry.repository, name)}`;
      if (!packages.has(name)) removals.push({ item, places: [registry.upstreamPackage(name)] });
    }
  }
  return removals;
}

/** Only what is a bare repository: a folder may be called so and be somebody's own. */
async function gitRemovals({ paths }: Context, plan: Plan): Promise<{ removals: Removal[]; notes: string[] }> {
  const needed = new Set(plan.repositories.map(({ host, path }) => `${host}/${path}`.toLowerCase()));
  const removals: Removal[] = [];
  const notes: string[] = [];
  for (const { host, path, place } of await listRepositories(paths)) {
    if (needed.has(`${host}/${path}`.toLowerCase())) continue;
    if (isRepository(place)) removals.push({ item: `https://${host}/${path}`, places: [place] });
    else notes.push(`${place.path} is left alone, since it is no bare repository`);
  }
  return { removals, notes };
}

/** A configuration without files may be that of another folder, so it removes none. */
async function fileRemovals({ paths, config }: Context): Promise<Removal[]> {
  if (config.files.length === 0) return [];
  const needed = new Set(fileJobs(config.files).map(({ host, path }) => paths.filePath(host, path)));
  return (await listFiles(paths.filesDir))
    .filter((file) => !needed.has(file) && isFilePath(file.replaceAll("%3A", "")))
    .map((file) => ({ item: `https://${file}`, places: [paths.filesDir.at(file)] }));
}

/** Validators and checksums of what is gone. */
async function forgetMetadata({ paths, config }: Context): Promise<void> {
  for (const registry of await listRegistries(paths)) {
    const held = new Set(await registry.upstreamPackagesDir.list("file"));
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
async function remove(place: Place, { paths }: Context): Promise<void> {
  await place.remove();
  const roots = [paths.git, paths.filesDir, paths.reposDir, paths.upstreamDir];
  const isBelowRoot = (folder: Place) => roots.some((root) => folder.path !== root.path && root.holds(folder));
  for (let folder = place.parent; folder !== undefined && isBelowRoot(folder); folder = folder.parent) {
    if (!(await folder.removeIfEmpty())) return;
  }
}
