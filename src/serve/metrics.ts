/**
 * `/metrics`: what is counted and known, as Prometheus reads it. Counted elsewhere (traffic.ts, activity.ts), known elsewhere
 * (facts/, health/); here it gets its names. Loaded by the first who asks. docs/guides/monitoring.md lists them.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics, type Histogram } from "prom-client";
import { requestKinds, type MirrorOverview } from "../facts/shape.ts";
import type { HealthReport } from "../health/health.ts";
import { version } from "../version.ts";
import type { Activity } from "./activity.ts";
import { bounds, type Traffic } from "./traffic.ts";

export interface MetricsSources {
  readonly traffic: Pick<Traffic, "all">;
  readonly activity: Pick<Activity, "hosts">;
  readonly git: () => GitCounts;
  readonly health: () => Promise<HealthReport>;
  readonly overview: () => Promise<MirrorOverview>;
}

export interface GitCounts {
  readonly running: number;
  readonly waiting: number;
  /** What clients asked of git, and for how much of it git was to be run. */
  readonly asked: number;
  readonly begun: number;
  /** Runs that came to their own end, and those of them with an error of the repository's. */
  readonly ok: number;
  readonly failed: number;
}

export interface Metrics {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const tools = { sources, registry };
  addTraffic(tools);
  addGit(tools);
  addUpstreams(tools);
  const refresh = addState(tools);
  return {
    contentType: registry.contentType,
    text: async () => {
      await refresh();
      return registry.metrics();
    },
  };
}

interface Tools {
  readonly sources: MetricsSources;
  readonly registry: Registry;
}

function addTraffic({ sources: { traffic }, registry }: Tools): void {
  counter(registry, "mirror_requests_total", "Requests that were answered", ["kind", "outcome"], (set) => {
    for (const { kind, outcome, requests } of traffic.all().counts) set({ kind, outcome }, requests);
  });
  counter(registry, "mirror_response_bytes_total", "Bytes of answers", ["kind"], (set) => {
    const sums = new Map<string, number>();
    for (const { kind, bytes } of traffic.all().counts) sums.set(kind, (sums.get(kind) ?? 0) + bytes);
    for (const [kind, bytes] of sums) set({ kind }, bytes);
  });
  registry.registerMetric(durations(traffic));
  const files = new Set<string>(["record", "tarball", "docs", "installer", "file"]);
  const about = "Answers that came from memory or from what was kept, and those that did not";
  counter(registry, "mirror_cache_file_requests_total", `Files: ${about}`, ["result"], (set) => {
    const { counts, fromMemory } = traffic.all();
    const all = counts.filter(({ kind }) => files.has(kind)).reduce((sum, { requests }) => sum + requests, 0);
    set({ result: "hit" }, fromMemory);
    set({ result: "miss" }, Math.max(0, all - fromMemory));
  });
}

function addGit({ sources: { git }, registry }: Tools): void {
  gauge(
    registry,
    "mirror_git_processes",
    "Git processes for clients, and requests that wait for one",
    ["state"],
    (set) => {
      const { running, waiting } = git();
      set({ state: "running" }, running);
      set({ state: "waiting" }, waiting);
    },
  );
  counter(registry, "mirror_git_runs_total", "Git processes that have ended", ["result"], (set) => {
    const { ok, failed } = git();
    set({ result: "ok" }, ok);
    set({ result: "failed" }, failed);
  });
  counter(
    registry,
    "mirror_cache_git_requests_total",
    "What was asked of git: kept from before, or not",
    ["result"],
    (set) => {
      const { asked, begun } = git();
      set({ result: "hit" }, Math.max(0, asked - begun));
      set({ result: "miss" }, Math.min(asked, begun));
    },
  );
}

function addUpstreams({ sources: { activity }, registry }: Tools): void {
  counter(registry, "mirror_upstream_requests_total", "Tries to get something of a host", ["host"], (set) => {
    for (const [host, { requests }] of activity.hosts) set({ host }, requests);
  });
  counter(registry, "mirror_upstream_failures_total", "Those that came to no answer", ["host"], (set) => {
    for (const [host, { failures }] of activity.hosts) set({ host }, failures);
  });
}

/** @returns what looks anew, once for all of them */
function addState({ sources: { health, overview, activity }, registry }: Tools): () => Promise<void> {
  const g = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const info = g("mirror_info", "Always 1", "version", "mode");
  const status = g("mirror_health", "1 for the state that health tells", "status");
  const problems = g("mirror_problems", "What health tells, by kind", "kind", "severity");
  const away = g("mirror_upstream_away", "1: the host does not answer, and is left alone for now", "host");
  const held = g("mirror_held", "How many are held", "what");
  const bytes = g("mirror_held_bytes", "What is held takes that much");
  const record = g("mirror_oldest_record_age_seconds", "Since upstream's oldest record was last known to hold");
  const generation = g(
    "mirror_generation_info",
    "Always 1; servers of one mirror have the same, but while one is behind",
    "generation",
  );
  const synced = g("mirror_last_sync_age_seconds", "Since all of it was last synced on this machine");
  const certificate = g("mirror_certificate_seconds_left", "Until the server's certificate ends");
  const disk = g("mirror_disk_bytes", "Of the disk that the mirror lies on", "state");
  const covered = g("mirror_lock_covered", "1: all that the lock names is here and whole", "lock");
  const lacks = g("mirror_lock_lacks", "What a lock names and is not as it should be", "lock", "state");
  return async () => {
    const report = await health();
    // What cannot be told now must not hide the rest.
    const seen = await overview().catch(() => undefined);
    for (const each of [status, problems, away, held, covered, lacks, disk, generation]) each.reset();
    for (const each of [bytes, record, synced, certificate]) each.remove();
    for (const each of ["ok", "degraded", "unhealthy"]) status.set({ status: each }, Number(report.status === each));
    for (const { kind, severity } of report.causes) problems.inc({ kind, severity });
    for (const host of activity.hosts.keys()) away.set({ host }, 0);
    for (const { host } of report.upstreams_away) away.set({ host }, 1);
    if (report.certificate !== null) certificate.set((Date.parse(report.certificate.ends) - Date.now()) / 1000);
    if (report.disk !== null) {
      disk.set({ state: "free" }, report.disk.free_bytes);
      disk.set({ state: "total" }, report.disk.total_bytes);
    }
    if (seen === undefined) return;
    info.set({ version, mode: seen.mode }, 1);
    const { bytes: size, ...counts } = seen.holds;
    for (const [what, count] of Object.entries(counts)) held.set({ what }, count);
    bytes.set(size);
    generation.set({ generation: seen.generation }, 1);
    if (seen.last_sync !== null) synced.set((Date.now() - Date.parse(seen.last_sync)) / 1000);
    if (seen.oldest_record !== null) record.set((Date.now() - Date.parse(seen.oldest_record)) / 1000);
    for (const lock of seen.locks) {
      covered.set({ lock: lock.name }, Number(lock.is_covered));
      for (const { state } of lock.lacks) lacks.inc({ lock: lock.name, state });
    }
  };
}

type Set = (labels: Record<string, string>, value: number) => void;

/** A counter of what is counted elsewhere. */
function counter(registry: Registry, name: string, help: string, labelNames: string[], read: (set: Set) => void): void {
  const made = new Counter({
    name,
    help,
    labelNames,
    registers: [],
    collect() {
      this.reset();
      read((labels, value) => this.inc(labels, value));
    },
  });
  registry.registerMetric(made);
}

function gauge(registry: Registry, name: string, help: string, labelNames: string[], read: (set: Set) => void): void {
  const made = new Gauge({
    name,
    help,
    labelNames,
    registers: [],
    collect() {
      this.reset();
      read((labels, value) => this.set(labels, value));
    },
  });
  registry.registerMetric(made);
}

/** A histogram of what was sorted elsewhere, by workers too: the library's own takes single observations only. */
function durations(traffic: Pick<Traffic, "all">): Histogram {
  const name = "mirror_request_duration_seconds";
  const get = () => {
    const { counts } = traffic.all();
    const values = requestKinds.flatMap((kind) => {
      const own = counts.filter((count) => count.kind === kind);
      if (own.length === 0) return [];
      const sum = (read: (count: (typeof own)[number]) => number) => own.reduce((total, each) => total + read(each), 0);
      const value = (suffix: string, number: number, labels: object = {}) => ({
        metricName: name + suffix,
        labels: { kind, ...labels },
        value: number,
      });
      const requests = sum((count) => count.requests);
      let soFar = 0;
      const buckets = bounds.map((le, index) => {
        soFar += sum(({ within }) => within[index] ?? 0);
        return value("_bucket", soFar, { le });
      });
      const seconds = sum((count) => count.seconds);
      const last = value("_bucket", requests, { le: "+Inf" });
      return [...buckets, last, value("_sum", seconds), value("_count", requests)];
    });
    return { name, help: "From a request's arrival until its answer was sent", type: "histogram", values };
  };
  // All that a registry asks of a metric is its name and what it is worth now.
  return { name, get } as unknown as Histogram;
}
