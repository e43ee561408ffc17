/**
 * Locks → a mirror that holds what they name: plan, fetch and verify, store, sign. Everything is tried; what fails is
 * told and does not stop the rest, and what arrived stays.
 */
import { createHexSources } from "../artifacts/hex-sources.ts";
import { releaseItem } from "../artifacts/item.ts";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { createHttpClient } from "../fetch/http.ts";
import { hostOf, mayAsk } from "../fetch/redirect.ts";
import { redactUrl } from "../git/url.ts";
import { hexpm, shownPackage } from "../hex/repository.ts";
import type { GitEntry, Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { installerLists } from "../plan/installers.ts";
import { packageJobs } from "../plan/packages.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { skippedEntries, type SkippedDependency } from "../plan/skipped.ts";
import { isPackageOf } from "../registry/adoption.ts";
import type { Fingerprints } from "../serve/health-routes.ts";
import { readKnownLocks, writeKnownLock } from "../store/known-locks.ts";
import { refuseOtherOrigins, writeOrigins } from "../store/lock-origins.ts";
import { writeLastSync } from "../store/last-sync.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { version } from "../version.ts";
import { bringWanted } from "./bring.ts";
import { buildAsOnlyWriter, type BuildResult } from "./build.ts";
import { asOnlyWriter, registryName, tellForeign, type Context } from "./context.ts";
import { hexUpstream } from "./hex-upstreams.ts";
import { openKinds, type KindSettings, type KindTools } from "./kinds.ts";
import { Tally, type Totals } from "./tally.ts";
import { caFileOf, fingerprintsOf, recordUpstream } from "./trust.ts";
import { packagesLock, withPackages } from "./wanted.ts";

export interface SyncResult extends Totals {
  readonly skipped: readonly SkippedDependency[];
  /** undefined when the registry could not be signed; the reason is among `failed`. */
  readonly registry: BuildResult | undefined;
  readonly fingerprints: Fingerprints;
}

export type SyncSettings = KindSettings &
  Pick<Config, "packages" | "concurrency" | "proxy" | "switches" | "hexUrl" | "repos" | "newKey">;

export async function sync(
  context: Context,
  locks: readonly Lock[],
  settings: SyncSettings,
  tools: KindTools,
): Promise<SyncResult> {
  await tellForeign(context);
  await tellSwitches(context, locks, settings, tools);
  return asOnlyWriter(context, (locked) => syncAsOnlyWriter(locked, locks, settings, tools));
}

/** A name that was mistyped accepts nothing, and must not look as if it had. */
function requireKnownChanges({ acceptChanged, installers }: SyncSettings, locks: readonly Lock[]): void {
  const programs = installers === undefined ? [] : installerLists.map(({ program }) => program);
  const packages = packageJobs(locks);
  const isKnown = (each: (typeof acceptChanged)[number]) =>
    programs.includes(each.name) || packages.some(({ repository, name }) => isPackageOf(each, repository, name));
  const unknown = acceptChanged.find((each) => !isKnown(each));
  if (unknown === undefined) return;
  const shown = shownPackage(unknown.repository, unknown.name);
  throw new MirrorError("usage", `--accept-changed ${shown}: no lock that is synced here names that package`);
}

/** One line: what the old stack was made to work with has no say here. */
async function tellSwitches(
  { reporter }: Context,
  locks: readonly Lock[],
  { switches }: SyncSettings,
  { gitEnvironments }: KindTools,
): Promise<void> {
  const usesGit = locks.some(({ entries }) => entries.some(({ kind }) => kind === "git"));
  const settings = usesGit ? ((await gitEnvironments().catch(() => undefined))?.unverified ?? []) : [];
  const off = [...switches, ...settings];
  if (off.length > 0) reporter.note(`verification stays on: ${off.join(", ")} would turn it off, and is not followed`);
}

async function syncAsOnlyWriter(
  context: Context,
  given: readonly Lock[],
  settings: SyncSettings,
  tools: KindTools,
): Promise<SyncResult> {
  const { paths, config, signal } = context;
  // A key that is not ours to use, or cannot be read, is found out before hours of fetching, not after.
  await registryName(context);
  await loadSigningKey(paths, settings.newKey);
  await refuseOtherOrigins(paths, given);
  const before = await readKnownLocks(paths);
  const locks = withPackages(given, settings, before);
  requireKnownChanges(settings, locks);
  const names = new Set(locks.map(({ name }) => name));
  const known = [...locks, ...before.filter(({ name }) => !names.has(name))];
  const tally = new Tally(context.reporter);
  const found = await bringAll({ ...context, reporter: tally }, { locks, known }, settings, tools);
  const { aborted } = signal;
  const registry = aborted ? undefined : await signRegistry(context, tally);
  // Last of all: what was killed before is not taken for complete.
  await rememberLocks(context, { locks, before, found }, settings, tally);
  await writeOrigins(paths, given);
  if (aborted) throw new MirrorError("cancelled", "stopped; what arrived is kept, sync again to go on");

  // What could not be asked is not as of today.
  if (tally.failures.length === 0) await writeLastSync(paths, new Date());
  const fingerprints = await fingerprintsOf(paths, caFileOf(config));
  return { ...tally.result(), skipped: skippedEntries(locks), registry, fingerprints };
}

/** @returns what the locks turned out to need besides, as locks */
async function bringAll(
  context: Context,
  { locks, known }: { readonly locks: readonly Lock[]; readonly known: readonly Lock[] },
  settings: SyncSettings,
  { gitEnvironments }: KindTools,
): Promise<readonly Lock[]> {
  const { paths, reporter, signal } = context;
  const hosts = trustedHosts(settings, locks);
  const http = createHttpClient({
    userAgent: `mirror-server/${version}`,
    connections: settings.concurrency,
    proxy: settings.proxy,
    mayAsk: async (host) => mayAsk(host, hosts),
  });
  const hex = createHexSources({
    paths,
    reporter,
    upstreamOf: async (repository) => hexUpstream(context, repository),
    recordUpstream: async (repository, { url, publicKey: key }) => recordUpstream(context, repository, { url, key }),
  });
  const kinds = openKinds(context, settings, { gitEnvironments });
  const bringing = { http, hex, gitEnvironments, hosts, known, reporter, signal };
  try {
    return await bringWanted(kinds, { locks }, bringing, settings.concurrency);
  } finally {
    for (const { item, error } of await hex.close()) reporter.failed(item, error);
    await http.close();
  }
}

/** Hosts that a lock, the configuration or `--allow-hosts` names: they may be asked whatever their address. */
function trustedHosts(settings: SyncSettings, locks: readonly Lock[]): ReadonlySet<string> {
  const { hexUrl, buildsUrl, repos, files, allowHosts } = settings;
  const urls = [hexUrl, buildsUrl, ...repos.map(({ url }) => url), ...fileJobs(files).map(({ url }) => url)];
  const named = repositoryJobs(locks, settings).jobs.map(({ host }) => host);
  const hosts = [...named, ...allowHosts.map((host) => host.toLowerCase())];
  return new Set([...hosts, ...urls.map(hostOf).filter((host) => host !== undefined)]);
}

async function signRegistry(context: Context, tally: Tally): Promise<BuildResult | undefined> {
  try {
    const registry = await buildAsOnlyWriter(context);
    for (const { item, reason } of registry.leftOut) tally.failed(item, reason);
    return registry;
  } catch (error) {
    tally.failed({ kind: "registry", repository: hexpm }, error);
    return undefined;
  }
}

/** What each lock names, and needs besides, is known from now on. */
async function rememberLocks(
  { paths, signal }: Context,
  { locks, before, found }: Record<"locks" | "before" | "found", readonly Lock[]>,
  settings: SyncSettings,
  tally: Tally,
): Promise<void> {
  const { refused } = repositoryJobs(locks, settings);
  const isWhole = tally.failures.length === 0 && !signal.aborted;
  for (const lock of withoutMistakes(locks, tally)) {
    const earlier = before.find(({ name }) => name === lock.name);
    if (earlier !== undefined && isAnother(earlier, lock)) {
      tally.note(`the mirror knew another lock as "${lock.name}" and forgets it now; tell them apart with --lock-name`);
    }
    if (lock.entries.length === 0 && earlier !== undefined && earlier.entries.length > 0) {
      const count = `${earlier.entries.length} dependencies`;
      tally.warn(`the lock ${lock.name} names nothing any more, where it named ${count}`);
    }
    const submodules = found.filter(({ name }) => name === lock.name).flatMap(({ entries }) => entries);
    const isGit = (entry: (typeof submodules)[number]): entry is GitEntry => entry.kind === "git";
    await writeKnownLock(paths, lock, submodules.filter(isGit), { redact: redactUrl, isWhole, refused });
  }
}

/** A package that was asked for once and that upstream does not have must not be asked for ever after. */
function withoutMistakes(locks: readonly Lock[], tally: Tally): readonly Lock[] {
  return locks.flatMap((lock) => {
    if (lock.name !== packagesLock) return [lock];
    const entries = lock.entries.filter(
      (entry) => entry.kind !== "hex" || !tally.isNotFound(releaseItem(entry, entry.version)),
    );
    return entries.length === 0 ? [] : [{ ...lock, entries }];
  });
}

/** Two projects whose folders have the same name, rather than one whose lock has changed. */
function isAnother(earlier: Lock, lock: Lock): boolean {
  const apps = new Set(lock.entries.map(({ app }) => app));
  return earlier.entries.length > 0 && apps.size > 0 && !earlier.entries.some(({ app }) => apps.has(app));
}
