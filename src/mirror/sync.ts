/**
 * Locks → a mirror that holds what they name: plan, fetch and verify, store, sign. Everything is tried; what fails is
 * told and does not stop the rest, and what arrived stays.
 */
import { openHexSources } from "../artifacts/hex-sources.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import type { BringTools } from "../artifacts/artifact.ts";
import { createLanding, type Landing } from "../artifacts/landing.ts";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { namedHosts } from "../upstream/named-hosts.ts";
import { openUpstreams, type AskingKey } from "../upstream/upstreams.ts";
import { hexpm, shownPackage } from "../names/hex-repository.ts";
import type { Lock } from "../lock/entries.ts";
import { installerLists } from "../plan/installers.ts";
import { packageJobs } from "../plan/packages.ts";
import { skippedEntries, type SkippedDependency } from "../plan/skipped.ts";
import { isPackageOf } from "../registry/adoption.ts";
import { readKnownLocks, watchKnownLocks } from "../store/known-locks.ts";
import { refuseOtherOrigins, writeOrigins } from "../store/lock-origins.ts";
import { writeLastSync } from "../store/last-sync.ts";
import { beginMirror } from "../store/pull-mode.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { bringWanted } from "./bring.ts";
import { checkRegistries, checkWanted } from "./check-wanted.ts";
import type { Finding, Findings } from "./findings.ts";
import type { BuildResult } from "../registry/build.ts";
import { asOnlyWriter, registryName, tellForeign, type Context } from "../store/context.ts";
import type { UpstreamKey } from "../upstream/hex-repositories.ts";
import type { KindKey, KindTools } from "./kinds.ts";
import { remember, rememberAtEnd, stillOurs, tellLostLocks } from "./remember-locks.ts";
import { Tally, type Totals } from "./tally.ts";
import { caFileOf, fingerprintsOf, type AuthorityKey, type Fingerprints } from "../store/trust.ts";
import { tellUncoveredHosts } from "./uncovered-hosts.ts";
import { withPackages } from "./wanted.ts";

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

export type SyncKey = KindKey | UpstreamKey | AuthorityKey | AskingKey | "packages" | "switches" | "lists";

type SyncContext = Context<SyncKey>;

export interface SyncOptions {
  /**
   * Only what is not here, for who waits: without asking for news, and not for long. What is asked for came with a project
   * that may be anybody's, so a lock alone leads to no address of this network.
   */
  readonly isOnlyMissing?: boolean;
}

// Whoever waits has been told by their client already what could not be had. Seconds.
const hasty = { tries: 1, gitTries: 2, firstByte: 10, silence: 3, lonelySilence: 3 };

/** @throws MirrorError for what a person has to set right; what fails by itself is in the result */
export async function sync(
  context: SyncContext,
  openKinds: () => Kinds,
  given: readonly Lock[],
  tools: KindTools,
  { isOnlyMissing = false }: SyncOptions = {},
): Promise<SyncResult> {
  await tellForeign(context);
  await tellSwitches(context, given, tools);
  const { paths, signal, config } = context;
  const tally = new Tally(context.reporter);
  const counted: SyncContext = { ...context, reporter: tally };
  const landing = createLanding(counted);
  const upstreams = openUpstreams(
    counted,
    namedHosts(config, isOnlyMissing ? [] : given),
    isOnlyMissing ? { limits: hasty } : {},
  );
  const hex = openHexSources(counted);
  const found: Lock[] = [];
  let locks: readonly Lock[];
  try {
    locks = await landing.land(async () => begin(counted, given));
    // Known before it is brought, so that nobody takes it for what no lock names.
    const onFound = async (more: readonly Lock[]) => {
      found.push(...more);
      await landing.land(async () => remember(counted, { locks: await stillOurs(counted, locks), found }, "begun"));
    };
    const known = watchKnownLocks(paths);
    const bringing = { ...upstreams, ...tools, hex, known, land: landing.land, reporter: tally, signal };
    const lists = config.lists ? bringLists(bringing) : undefined;
    await bringWanted(openKinds(), { locks }, bringing, { concurrency: config.concurrency, onFound, isOnlyMissing });
    await lists;
  } finally {
    await upstreams.close();
  }
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
    if (tally.failures.length === 0 && !isOnlyMissing) await writeLastSync(paths, new Date());
  });
  // One that cannot be read is for whoever serves to tell.
  await tellUncoveredHosts(counted).catch(() => undefined);
  const fingerprints = await fingerprintsOf(paths, caFileOf(config));
  // What cannot be looked at, such as a repository where git is not installed, must not cost the result.
  const coverage =
    tally.failures.length === 0 ? undefined : await coverageOf(context, openKinds(), locks).catch(() => undefined);
  return {
    ...tally.result(),
    skipped: skippedEntries(locks),
    registry,
    fingerprints,
    ...(coverage === undefined ? {} : { coverage }),
  };
}

/** None of it throws: what goes wrong is told. */
async function bringLists(tools: BringTools): Promise<void> {
  try {
    const { bringUpstreamLists } = await import("../artifacts/with-records.ts");
    await bringUpstreamLists(await tools.hex.open(hexpm), tools);
  } catch (error) {
    tools.reporter.failed({ kind: "upstream-lists" }, error);
  }
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
  await beginMirror(context);
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
