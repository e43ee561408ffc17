/**
 * Locks → a mirror that holds what they name: plan, fetch and verify, store, sign. Everything is tried; what fails is
 * told and does not stop the rest, and what arrived stays.
 */
import { MirrorError } from "../errors.ts";
import { createHttpClient } from "../fetch/http.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { redactUrl } from "../git/url.ts";
import { shownPackage } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { installerLists } from "../plan/installers.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { readKnownLocks, writeKnownLock } from "../store/known-locks.ts";
import { refuseOtherOrigins, writeOrigins } from "../store/lock-origins.ts";
import { writeLastSync } from "../store/last-sync.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { version } from "../version.ts";
import { isPackageOf } from "./adoption.ts";
import { buildAsOnlyWriter, type BuildResult } from "./build.ts";
import { asOnlyWriter, registryName, tellForeign, type Context } from "./context.ts";
import { mayAsk } from "../fetch/redirect.ts";
import { trustedHosts } from "./git-upstreams.ts";
import { hexUpstreams } from "./hex-upstreams.ts";
import { syncFiles } from "./sync-files.ts";
import { readInstallersKey, syncInstallers } from "./sync-installers.ts";
import { syncPackages } from "./sync-packages.ts";
import { syncRepositories } from "./sync-repositories.ts";
import { Tally, type Totals } from "./tally.ts";
import type { Fingerprints } from "../serve/health-routes.ts";
import { caFileOf, fingerprintsOf } from "./trust.ts";
import { packagesLock, withPackages } from "./wanted.ts";

export interface SyncResult extends Totals {
  readonly skipped: Plan["skipped"];
  /** undefined when the registry could not be signed; the reason is among `failed`. */
  readonly registry: BuildResult | undefined;
  readonly fingerprints: Fingerprints;
}

const stages = ["the git repositories", "the packages", "the installers", "the files"];

export interface SyncTools {
  /** Made on first use: a lock without git entries needs no git. */
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

export async function sync(context: Context, locks: readonly Lock[], tools: SyncTools): Promise<SyncResult> {
  await tellForeign(context);
  await tellSwitches(context, locks, tools);
  return asOnlyWriter(context, (locked) => syncAsOnlyWriter(locked, locks, tools));
}

/** A name that was mistyped accepts nothing, and must not look as if it had. */
function requireKnownChanges({ acceptChanged, installers }: Context["config"], plan: Plan): void {
  const programs = installers === undefined ? [] : installerLists.map(({ program }) => program);
  const isKnown = (each: (typeof acceptChanged)[number]) =>
    programs.includes(each.name) || plan.packages.some(({ repository, name }) => isPackageOf(each, repository, name));
  const unknown = acceptChanged.find((each) => !isKnown(each));
  if (unknown === undefined) return;
  const shown = shownPackage(unknown.repository, unknown.name);
  throw new MirrorError("usage", `--accept-changed ${shown}: no lock that is synced here names that package`);
}

/** One line: what the old stack was made to work with has no say here. */
async function tellSwitches({ config, reporter }: Context, locks: readonly Lock[], tools: SyncTools): Promise<void> {
  const usesGit = locks.some(({ entries }) => entries.some(({ kind }) => kind === "git"));
  const settings = usesGit ? ((await tools.gitEnvironments().catch(() => undefined))?.unverified ?? []) : [];
  const off = [...config.switches, ...settings];
  if (off.length > 0) reporter.note(`verification stays on: ${off.join(", ")} would turn it off, and is not followed`);
}

async function syncAsOnlyWriter(context: Context, given: readonly Lock[], tools: SyncTools): Promise<SyncResult> {
  const { paths, config } = context;
  // A key that is not ours to use, or cannot be read, is found out before hours of fetching, not after.
  await registryName(context);
  await loadSigningKey(paths, config.newKey);
  await refuseOtherOrigins(paths, given);
  const before = await readKnownLocks(paths);
  const locks = withPackages(given, config, before);
  const plan = makePlan(locks, config);
  requireKnownChanges(config, plan);
  const files = fileJobs(config.files);
  const installersKey = await readInstallersKey(context);
  const upstreams = await hexUpstreams(context, [...new Set(plan.packages.map(({ repository }) => repository))]);
  const tally = new Tally(context.reporter);
  const counted: Context = { ...context, reporter: tally };
  const releases = plan.packages.reduce((sum, job) => sum + job.releases.length, 0);
  tally.begin(releases + plan.repositories.length + files.length);
  for (const { app, lock, reason } of plan.refused) tally.failed(`${app} (lock ${lock})`, reason);

  const names = new Set(locks.map(({ name }) => name));
  const known = [...locks, ...before.filter(({ name }) => !names.has(name))];
  // Some stages are bound by round trips, one by git and the disk: they do not wait for each other.
  // All come to their end before the lock is given back, whatever happens to one of them.
  const http = createHttpClient({
    userAgent: `mirror-server/${version}`,
    connections: config.concurrency,
    proxy: config.proxy,
    mayAsk: async (host) => mayAsk(host, trustedHosts(config, plan.repositories)),
  });
  const [git, ...others] = await Promise.allSettled([
    syncRepositories(counted, plan.repositories, known, { ...tools, http }),
    syncPackages(counted, plan.packages, { http, upstreams, known }),
    syncInstallers(counted, http, installersKey),
    syncFiles(counted, files, http),
  ]);
  await http.close();
  for (const [index, stage] of [git, ...others].entries()) {
    // One that fails as a whole, such as by a file of ours that is damaged, does not stop the others either.
    if (stage.status === "rejected" && !context.signal.aborted) tally.failed(stages[index] ?? "", stage.reason);
  }
  const { aborted } = context.signal;
  const registry = aborted ? undefined : await signRegistry(context, tally);
  // Last of all: what was killed before is not taken for complete.
  const submodules = git.status === "fulfilled" ? git.value : new Map<string, never>();
  const isWhole = tally.failures.length === 0 && !aborted;
  for (const lock of withoutMistakes(locks, tally.notFound)) {
    const earlier = before.find(({ name }) => name === lock.name);
    if (earlier !== undefined && isAnother(earlier, lock)) {
      tally.note(`the mirror knew another lock as "${lock.name}" and forgets it now; tell them apart with --lock-name`);
    }
    if (lock.entries.length === 0 && earlier !== undefined && earlier.entries.length > 0) {
      const count = `${earlier.entries.length} dependencies`;
      tally.note(`warning: the lock ${lock.name} names nothing any more, where it named ${count}`);
    }
    await writeKnownLock(paths, lock, submodules.get(lock.name) ?? [], {
      redact: redactUrl,
      isWhole,
      refused: plan.refused,
    });
  }
  await writeOrigins(paths, given);
  if (aborted) throw new MirrorError("cancelled", "stopped; what arrived is kept, sync again to go on");

  // What could not be asked is not as of today.
  if (tally.failures.length === 0) await writeLastSync(paths, new Date());
  const fingerprints = await fingerprintsOf(paths, caFileOf(config));
  return { ...tally.result(), skipped: plan.skipped, registry, fingerprints };
}

async function signRegistry(context: Context, tally: Tally): Promise<BuildResult | undefined> {
  try {
    const registry = await buildAsOnlyWriter(context);
    for (const { file, reason } of registry.corrupt) tally.failed(file, reason);
    return registry;
  } catch (error) {
    tally.failed("the registry", error);
    return undefined;
  }
}

/** A package that was asked for once and that upstream does not have must not be asked for ever after. */
function withoutMistakes(locks: readonly Lock[], notFound: ReadonlySet<string>): readonly Lock[] {
  return locks.flatMap((lock) => {
    if (lock.name !== packagesLock) return [lock];
    const entries = lock.entries.filter(
      (entry) =>
        entry.kind !== "hex" || !notFound.has(`${shownPackage(entry.repository, entry.name)} ${entry.version}`),
    );
    return entries.length === 0 ? [] : [{ ...lock, entries }];
  });
}

/** Two projects whose folders have the same name, rather than one whose lock has changed. */
function isAnother(earlier: Lock, lock: Lock): boolean {
  const apps = new Set(lock.entries.map(({ app }) => app));
  return earlier.entries.length > 0 && apps.size > 0 && !earlier.entries.some(({ app }) => apps.has(app));
}
