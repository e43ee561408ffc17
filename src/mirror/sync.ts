/**
 * Locks → a mirror that holds what they name: plan, fetch and verify, store, sign. Everything is tried; what fails is
 * told and does not stop the rest, and what arrived stays.
 */
import { createHexSources, type HexSources } from "../artifacts/hex-sources.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import { releaseItem } from "../names/item.ts";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { readAuthorities } from "../authorities.ts";
import { createPatience } from "../upstream/patience.ts";
import { createHttpClient } from "../upstream/http.ts";
import { authorizationFor, type UrlToken } from "../upstream/url-tokens.ts";
import { hostOf, mayAsk } from "../upstream/redirect.ts";
import { redactUrl } from "../names/git-url.ts";
import { hexpm, shownPackage } from "../names/hex-repository.ts";
import type { GitEntry, Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { installerLists } from "../plan/installers.ts";
import { packageJobs } from "../plan/packages.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { skippedEntries, type SkippedDependency } from "../plan/skipped.ts";
import { isPackageOf } from "../registry/adoption.ts";
import { isKnownLock, namesTheSame, readKnownLocks, watchKnownLocks, writeKnownLock } from "../store/known-locks.ts";
import { refuseOtherOrigins, writeOrigins } from "../store/lock-origins.ts";
import { writeLastSync } from "../store/last-sync.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { version } from "../version.ts";
import { bringWanted } from "./bring.ts";
import { checkRegistries, checkWanted } from "./check-wanted.ts";
import type { Finding, Findings } from "./findings.ts";
import type { BuildResult } from "../registry/build.ts";
import { asOnlyWriter, registryName, tellForeign, type Context } from "../store/context.ts";
import { hexUpstream, type UpstreamKey } from "../upstream/hex-repositories.ts";
import type { KindKey, KindTools } from "./kinds.ts";
import { createLanding, type Landing } from "./landing.ts";
import { Tally, type Totals } from "./tally.ts";
import { caFileOf, fingerprintsOf, recordUpstream, type AuthorityKey, type Fingerprints } from "../store/trust.ts";
import { packagesLock, withEntries, withPackages } from "./wanted.ts";

export interface SyncResult extends Totals {
  readonly skipped: readonly SkippedDependency[];
  /** undefined when the registry could not be signed; the reason is among `failed`. */
  readonly registry: BuildResult | undefined;
  readonly fingerprints: Fingerprints;
  /** Where something failed: what there is all the same of what is wanted. */
  readonly coverage?: Coverage;
}

export interface Coverage {
  /** How many things are wanted. */
  readonly wanted: number;
  readonly missing: readonly Finding[];
  readonly damaged: readonly Finding[];
}

export type SyncKey =
  | KindKey
  | UpstreamKey
  | AuthorityKey
  | "packages"
  | "concurrency"
  | "deadline"
  | "proxy"
  | "authorities"
  | "urlTokens"
  | "found"
  | "switches";

type SyncContext = Context<SyncKey>;

/** @throws MirrorError for what a person has to set right; what fails by itself is in the result */
export async function sync(
  context: SyncContext,
  openKinds: () => Kinds,
  given: readonly Lock[],
  tools: KindTools,
): Promise<SyncResult> {
  await tellForeign(context);
  await tellSwitches(context, given, tools);
  const tokens = urlTokens(context);
  const { paths, signal, config } = context;
  const tally = new Tally(context.reporter);
  const counted: SyncContext = { ...context, reporter: tally };
  const landing = createLanding(counted);
  const locks = await landing.land(async () => begin(counted, given));
  const found: Lock[] = [];
  // Known before it is brought, so that nobody takes it for what no lock names.
  const onFound = async (more: readonly Lock[]) => {
    found.push(...more);
    await landing.land(async () => remember(counted, { locks: await stillOurs(counted, locks), found }, "begun"));
  };
  const hex = openHexSources(counted);
  await bringAll(counted, openKinds(), { locks, onFound }, { landing, hex, tokens, ...tools });
  if (signal.aborted) {
    // What upstream said is worth a moment; whoever holds the lock is not waited for.
    const stopped = { ...counted, signal: new AbortController().signal };
    await hex.close(async (work) => asOnlyWriter(stopped, async () => work(), false));
    throw new MirrorError("cancelled", "stopped; what arrived is kept, sync again to go on");
  }
  const registry = await signRegistry(landing, locks, tally);
  for (const { item, error } of await hex.close(landing.land)) tally.failed(item, error);
  // Last of all: what was killed before is not taken for complete.
  await landing.land(async () => {
    await rememberAtEnd(counted, { locks, found }, tally);
    // What could not be asked is not as of today.
    if (tally.failures.length === 0) await writeLastSync(paths, new Date());
  });
  const fingerprints = await fingerprintsOf(paths, caFileOf(config));
  const coverage = tally.failures.length === 0 ? {} : { coverage: await coverageOf(context, openKinds(), locks) };
  return { ...tally.result(), skipped: skippedEntries(locks), registry, fingerprints, ...coverage };
}

/** A sync that failed may have lacked no more than news. */
async function coverageOf(context: SyncContext, kinds: Kinds, locks: readonly Lock[]): Promise<Coverage> {
  const findings: Findings = { checked: 0, missing: [], damaged: [] };
  await checkWanted(kinds, { locks, withSubmodules: true }, findings);
  await checkRegistries(context, findings);
  const { checked: wanted, missing, damaged } = findings;
  return { wanted, missing, damaged };
}

/** Before anything is fetched: what would stop the end is found out, and what will be wanted is written down. */
async function begin(context: SyncContext, given: readonly Lock[]): Promise<readonly Lock[]> {
  const { paths, config } = context;
  for (const place of [paths.mirror, paths.knownLocksDir]) await place.removeLeftovers();
  await registryName(context);
  // A key that is not ours to use, or cannot be read.
  await loadSigningKey(paths, config.newKey);
  await refuseOtherOrigins(paths, given);
  const before = await readKnownLocks(paths);
  const locks = withPackages(given, config, before);
  requireKnownChanges(config, locks);
  tellLostLocks(context, locks, before);
  // Of two that would have one name and begin at once, the second is refused.
  await writeOrigins(paths, given);
  await remember(context, { locks, found: [] }, "begun");
  return locks;
}

/** A name that was mistyped accepts nothing, and must not look as if it had. */
function requireKnownChanges(
  { acceptChanged, installers }: Pick<Config, "acceptChanged" | "installers">,
  locks: readonly Lock[],
): void {
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
  { reporter, config }: SyncContext,
  locks: readonly Lock[],
  { gitEnvironments }: KindTools,
): Promise<void> {
  const usesGit = locks.some(({ entries }) => entries.some(({ kind }) => kind === "git"));
  const settings = usesGit ? ((await gitEnvironments().catch(() => undefined))?.unverified ?? []) : [];
  const off = [...config.switches, ...settings];
  if (off.length > 0) reporter.note(`verification stays on: ${off.join(", ")} would turn it off, and is not followed`);
}

function openHexSources(context: SyncContext): HexSources {
  const { paths, reporter } = context;
  return createHexSources({
    paths,
    reporter,
    upstreamOf: async (repository) => hexUpstream(context, repository),
    recordUpstream: async (repository, { url, publicKey: key }) => recordUpstream(context, repository, { url, key }),
  });
}

interface Bringing {
  readonly locks: readonly Lock[];
  readonly onFound: (more: readonly Lock[]) => Promise<void>;
}

interface BringAllTools extends KindTools {
  readonly landing: Landing;
  readonly hex: HexSources;
  readonly tokens: readonly UrlToken[];
}

async function bringAll(
  context: SyncContext,
  kinds: Kinds,
  { locks, onFound }: Bringing,
  { landing, hex, tokens, gitEnvironments }: BringAllTools,
): Promise<void> {
  const { paths, reporter, signal, config } = context;
  const { concurrency, deadline, proxy: proxies } = config;
  const hosts = trustedHosts(config, locks);
  const patience = createPatience({ deadline, tell: (text) => reporter.warn(text) });
  const http = createHttpClient({
    userAgent: `mirror-server/${version}`,
    connections: concurrency,
    proxies,
    authorities: readAuthorities(config.authorities, (why) => reporter.warn(why)),
    mayAsk: async (host) => mayAsk(host, hosts),
    patience,
    tokenFor: (url) => authorizationFor(url, tokens),
  });
  const known = watchKnownLocks(paths);
  const { land } = landing;
  const tools = { http, patience, proxies, tokens, hex, gitEnvironments, hosts, known, reporter, signal, land };
  try {
    await bringWanted(kinds, { locks }, tools, { concurrency, onFound });
  } finally {
    patience.close();
    await http.close();
  }
}

/** @throws MirrorError `config` where only a file that came with a project says where they are sent */
function urlTokens({ config, reporter }: SyncContext): UrlToken[] {
  const { urlTokens: named, found } = config;
  if (named.length > 0 && found.keys.has("upstreamTokens")) {
    throw new MirrorError(
      "config",
      `"upstreamTokens" is not followed, since only ${found.path} says so, which lies in the working folder; name that ` +
        "file with --config",
    );
  }
  return named.flatMap(({ scope, variable, value }) => {
    if (value === undefined) reporter.warn(`${variable}, which is to hold the login for ${scope}, is not set`);
    return value === undefined ? [] : [{ scope, value }];
  });
}

/** Hosts that a lock, the configuration or `--allow-hosts` names: they may be asked whatever their address. */
function trustedHosts(settings: Pick<Config, SyncKey>, locks: readonly Lock[]): ReadonlySet<string> {
  const { hexUrl, buildsUrl, repos, files, allowHosts } = settings;
  const urls = [hexUrl, buildsUrl, ...repos.map(({ url }) => url), ...fileJobs(files).map(({ url }) => url)];
  const named = repositoryJobs(locks, settings).jobs.map(({ host }) => host);
  const hosts = [...named, ...allowHosts.map((host) => host.toLowerCase())];
  return new Set([...hosts, ...urls.map(hostOf).filter((host) => host !== undefined)]);
}

async function signRegistry(landing: Landing, locks: readonly Lock[], tally: Tally): Promise<BuildResult | undefined> {
  const packages = new Map<string, Set<string>>();
  for (const { repository, name } of packageJobs(locks)) {
    packages.set(repository, new Set([...(packages.get(repository) ?? []), name]));
  }
  try {
    const registry = await landing.sign(packages);
    for (const { item, reason } of registry.leftOut) tally.failed(item, reason);
    return registry;
  } catch (error) {
    tally.failed({ kind: "registry", repository: hexpm }, error);
    return undefined;
  }
}

function tellLostLocks({ reporter }: Context, locks: readonly Lock[], before: readonly Lock[]): void {
  for (const lock of locks) {
    const earlier = before.find(({ name }) => name === lock.name);
    if (earlier === undefined || earlier.entries.length === 0) continue;
    if (isAnother(earlier, lock)) {
      const told = `the mirror knew another lock as "${lock.name}" and forgets it now`;
      reporter.note(`${told}; tell them apart with --lock-name`);
    }
    if (lock.entries.length === 0) {
      const count = `${earlier.entries.length} dependencies`;
      reporter.warn(`the lock ${lock.name} names nothing any more, where it named ${count}`);
    }
  }
}

/** What each lock names, and needs besides, is known from now on. For the only writer. */
async function remember(
  { paths, config }: SyncContext,
  { locks, found }: Record<"locks" | "found", readonly Lock[]>,
  state: "begun" | "incomplete" | "whole",
): Promise<void> {
  const { refused } = repositoryJobs(locks, config);
  for (const lock of locks) {
    const submodules = found.filter(({ name }) => name === lock.name).flatMap(({ entries }) => entries);
    const isGit = (entry: (typeof submodules)[number]): entry is GitEntry => entry.kind === "git";
    const needed = submodules.filter(isGit);
    const options = { redact: redactUrl, isWhole: state === "whole", refused };
    // One that was whole stays so until it names something else, or something fails.
    const isFine = state === "begun" && (await isKnownLock(paths, lock, options, needed));
    if (!isFine) await writeKnownLock(paths, lock, needed, options);
  }
}

/**
 * At the end. Another process may have come to sync the same lock as it is now, or other packages: what it has written down
 * counts.
 */
async function rememberAtEnd(
  context: SyncContext,
  { locks, found }: Record<"locks" | "found", readonly Lock[]>,
  tally: Tally,
): Promise<void> {
  const { paths } = context;
  const own = await stillOurs(context, locks);
  const added = locks.find(({ name }) => name === packagesLock);
  if (added !== undefined) {
    const now = (await readKnownLocks(paths)).find(({ name }) => name === packagesLock);
    const merged = withoutMistakes({ ...added, entries: withEntries(now, added) }, tally);
    if (merged.entries.length === 0) await paths.knownLock(packagesLock).remove();
    else own.push(merged);
  }
  await remember(context, { locks: own, found }, tally.failures.length === 0 ? "whole" : "incomplete");
}

/** Of the projects' locks, those that no other process has come to sync with another content. */
async function stillOurs({ paths, config }: SyncContext, locks: readonly Lock[]): Promise<Lock[]> {
  const { refused } = repositoryJobs(locks, config);
  const ours: Lock[] = [];
  for (const lock of locks) {
    if (lock.name === packagesLock) continue;
    const isForgotten = !paths.knownLock(lock.name).isFile();
    if (isForgotten || (await namesTheSame(paths, lock, { redact: redactUrl, refused }))) ours.push(lock);
  }
  return ours;
}

/** A package that was asked for once and that upstream does not have must not be asked for ever after. */
function withoutMistakes(lock: Lock, tally: Tally): Lock {
  const isMistake = (entry: Lock["entries"][number]) =>
    entry.kind === "hex" && tally.isNotFound(releaseItem(entry, entry.version));
  return { ...lock, entries: lock.entries.filter((entry) => !isMistake(entry)) };
}

/** Two projects whose folders have the same name, rather than one whose lock has changed. */
function isAnother(earlier: Lock, lock: Lock): boolean {
  const apps = new Set(lock.entries.map(({ app }) => app));
  return earlier.entries.length > 0 && apps.size > 0 && !earlier.entries.some(({ app }) => apps.has(app));
}
