/**
 * Locks → a mirror that holds what they name: plan, fetch and verify, store, sign. Everything is tried; what fails is
 * told and does not stop the rest, and what arrived stays.
 */
import pLimit from "p-limit";
import type { KeyObject } from "node:crypto";
import { MirrorError, describeError } from "../errors.ts";
import type { HexUpstream } from "../fetch/hex.ts";
import { createHttpClient } from "../fetch/http.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { redactUrl } from "../git/url.ts";
import { publicKeyPem } from "../hex/keys.ts";
import type { Lock } from "../lock/entries.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { readIfPresent, removeLeftovers, writeIfChanged } from "../store/atomic.ts";
import { readKnownLocks, writeKnownLock } from "../store/known-locks.ts";
import { findRepository } from "../store/repositories.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import { readValidators, writeValidators } from "../store/validators.ts";
import { version } from "../version.ts";
import { buildAsOnlyWriter, type BuildResult } from "./build.ts";
import { asOnlyWriter, registryName, upstreamKey, upstreamRepository, type Context } from "./context.ts";
import type { Reporter } from "./reporter.ts";
import { syncPackage } from "./sync-packages.ts";
import { syncRepositories } from "./sync-repositories.ts";

export interface SyncResult {
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly bytes: number;
  readonly failed: readonly { readonly item: string; readonly error: string }[];
  readonly skipped: Plan["skipped"];
  /** undefined when the registry could not be signed; the reason is among `failed`. */
  readonly registry: BuildResult | undefined;
}

export interface SyncTools {
  /** Made on first use: a lock without git entries needs no git. */
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

export async function sync(context: Context, locks: readonly Lock[], tools: SyncTools): Promise<SyncResult> {
  return asOnlyWriter(context, (locked) => syncAsOnlyWriter(locked, locks, tools));
}

export interface SyncPreview {
  /** What is not here and would be fetched. */
  readonly fetch: readonly string[];
  /** What is here; its record or refs would be refreshed. */
  readonly refresh: readonly string[];
  readonly skipped: Plan["skipped"];
  readonly refused: Plan["refused"];
}

/** What a sync would do, from what the folder holds; nothing is asked of upstream, nothing is written. */
export async function previewSync({ paths, config }: Context, locks: readonly Lock[]): Promise<SyncPreview> {
  const plan = makePlan(locks, config);
  const fetch: string[] = [];
  const refresh: string[] = [];
  for (const { name, releases } of plan.packages) {
    for (const release of releases) {
      const isHere = (await readIfPresent(paths.tarball(name, release.version))) !== undefined;
      (isHere ? refresh : fetch).push(`${name} ${release.version}`);
    }
  }
  for (const { host, path } of plan.repositories) {
    const isHere = (await findRepository(paths, host, path)) !== undefined;
    (isHere ? refresh : fetch).push(`https://${host}/${path}`);
  }
  return { fetch, refresh, skipped: plan.skipped, refused: plan.refused };
}

async function syncAsOnlyWriter(context: Context, locks: readonly Lock[], tools: SyncTools): Promise<SyncResult> {
  const { paths, config } = context;
  // A key that is not ours to use is found out before hours of fetching, not after.
  await registryName(context);
  await loadSigningKey(paths, config.newKey);
  const publicKey = await upstreamKey(context);
  const plan = makePlan(locks, config);
  const tally = new Tally(context.reporter);
  const counted: Context = { ...context, reporter: tally };
  tally.begin(plan.packages.reduce((sum, job) => sum + job.releases.length, 0) + plan.repositories.length);
  for (const { app, lock, reason } of plan.refused) tally.failed(`${app} (lock ${lock})`, reason);

  const before = await readKnownLocks(paths);
  const names = new Set(locks.map(({ name }) => name));
  const known = [...locks, ...before.filter(({ name }) => !names.has(name))];
  // The one stage is bound by round trips, the other by git and the disk: they do not wait for each other.
  // Both come to their end before the lock is given back, whatever happens to one of them.
  const [git, hex] = await Promise.allSettled([
    syncRepositories(counted, plan.repositories, known, tools.gitEnvironments),
    syncPackages(counted, plan, publicKey),
  ]);
  const submodules = git.status === "fulfilled" ? git.value : new Map<string, never>();
  const isWhole = tally.failures.length === 0 && !context.signal.aborted;
  for (const lock of locks) {
    const earlier = before.find(({ name }) => name === lock.name);
    if (earlier !== undefined && isAnother(earlier, lock)) {
      tally.note(`the mirror knew another lock as "${lock.name}" and forgets it now; tell them apart with --lock-name`);
    }
    await writeKnownLock(paths, lock, submodules.get(lock.name) ?? [], {
      redact: redactUrl,
      isWhole,
      refused: plan.refused,
    });
  }
  for (const stage of [git, hex]) if (stage.status === "rejected") throw stage.reason;
  if (context.signal.aborted) throw new MirrorError("cancelled", "stopped; what arrived is kept, sync again to go on");

  let registry: BuildResult | undefined;
  try {
    registry = await buildAsOnlyWriter(context);
    for (const { file, reason } of registry.corrupt) tally.failed(file, reason);
  } catch (error) {
    tally.failed("the registry", error);
  }
  return { ...tally.result(), skipped: plan.skipped, registry };
}

async function syncPackages(context: Context, plan: Plan, publicKey: KeyObject): Promise<void> {
  const { paths, config, reporter, signal } = context;
  const jobs = plan.packages.filter((job) => job.repository === upstreamRepository);
  for (const job of plan.packages.filter((other) => other.repository !== upstreamRepository)) {
    const error = new MirrorError("refused", `the repository "${job.repository}" is not mirrored, only hexpm is`);
    for (const release of job.releases) reporter.failed(`${job.name} ${release.version}`, error);
  }
  if (jobs.length === 0) return;
  const upstream: HexUpstream = { url: config.hexUrl, repository: upstreamRepository, publicKey };
  let isVerified = false;
  const onVerified = () => (isVerified = true);

  await removeLeftovers(paths.tarballsDir);
  await removeLeftovers(paths.upstreamPackagesDir(upstreamRepository));
  const validators = await readValidators(paths, upstreamRepository);
  const http = createHttpClient({
    userAgent: `mirror-server/${version}`,
    connections: config.concurrency,
    proxy: config.proxy,
  });
  try {
    const limit = pLimit(config.concurrency);
    const run = async (job: (typeof jobs)[number]) => {
      if (!signal.aborted) await syncPackage(context, job, { http, upstream, validators, onVerified });
    };
    await Promise.all(jobs.map((job) => limit(() => run(job))));
  } finally {
    await http.close();
    await writeValidators(paths, upstreamRepository, validators);
    // A key that fits nothing must not become the one that the records here are read with.
    if (isVerified) await writeIfChanged(paths.upstreamPublicKey(upstreamRepository), publicKeyPem(publicKey));
  }
}

/** Two projects whose folders have the same name, rather than one whose lock has changed. */
function isAnother(earlier: Lock, lock: Lock): boolean {
  const apps = new Set(lock.entries.map(({ app }) => app));
  return earlier.entries.length > 0 && apps.size > 0 && !earlier.entries.some(({ app }) => apps.has(app));
}

/** Counts what goes by on its way to the reporter. */
class Tally implements Reporter {
  private readonly to: Reporter;
  private readonly counts = { added: 0, updated: 0, unchanged: 0, bytes: 0 };
  readonly failures: { item: string; error: string }[] = [];

  constructor(to: Reporter) {
    this.to = to;
  }

  begin(total: number): void {
    this.to.begin(total);
  }

  done(item: string, outcome: "added" | "updated" | "unchanged", bytes: number): void {
    this.counts[outcome] += 1;
    this.to.done(item, outcome, bytes);
  }

  failed(item: string, error: unknown): void {
    this.failures.push({ item, error: describeError(error) });
    this.to.failed(item, error);
  }

  // Passed on as a function of its own, so it must not depend on `this` being bound.
  readonly received = (bytes: number): void => {
    this.counts.bytes += bytes;
    this.to.received(bytes);
  };

  progress(item: string, text: string): void {
    this.to.progress(item, text);
  }

  note(text: string): void {
    this.to.note(text);
  }

  result(): Pick<SyncResult, "added" | "updated" | "unchanged" | "bytes" | "failed"> {
    return { ...this.counts, failed: this.failures };
  }
}
