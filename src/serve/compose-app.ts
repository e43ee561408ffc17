/**
 * The application of one mirror, from what a server has: its folder, git, and what it was told. The same for `serve` and for
 * tests; it listens to nothing. Order: 1 git, its queue and its cache; 2 what is known of the mirror: health, facts, metrics;
 * 3 the routes.
 */
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { GrowingFile } from "../disk/growing-file.ts";
import { requireServed } from "../git/inspect.ts";
import type { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import { AnswerStore } from "../git/answer-store.ts";
import { cacheUploadPack } from "../git/cached-upload-pack.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { createUploadPack, type UploadPack, type UploadPackSettings } from "../git/upload-pack.ts";
import { createFacts, type FactSources } from "../facts/facts.ts";
import { createHealthCheck, type HealthSources } from "../health/health.ts";
import { Overlook } from "../health/overlook.ts";
import { lazy } from "../lazy.ts";
import type { StorePaths } from "../store/paths.ts";
import { createRepositoryFinder } from "../store/repositories.ts";
import { createApi } from "./api.ts";
import { buildApp, type AppDependencies } from "./app.ts";
import { heldGit, type FindRepository, type GitSource } from "./git-source.ts";
import type { Activity } from "./activity.ts";
import { LiveStreams, stateOf } from "./live.ts";
import type { GitCounts, Metrics } from "./metrics.ts";
import type { Source } from "./source.ts";
import type { Traffic } from "./traffic.ts";

export interface AppParts
  extends
    Pick<
      AppDependencies,
      | "logger"
      | "arrivals"
      | "tokens"
      | "identity"
      | "caCertificate"
      | "onFile"
      | "memory"
      | "isOwnRequest"
      | "lacking"
      | "metricsTokens"
      | "snippets"
      | "tlsPort"
    >,
    Pick<
      HealthSources,
      "trust" | "isReplica" | "workersProblem" | "watchProblem" | "certificate" | "pullProblems" | "upstreamsAway"
    > {
  readonly paths: StorePaths;
  readonly kinds: FactSources["kinds"];
  readonly mode: FactSources["mode"];
  readonly traffic: Traffic;
  readonly activity: Activity;
  /** Whether metrics are asked for on a port of their own. */
  readonly isMeteredApart: boolean;
  readonly source: Source;
  /** Makes of the repositories that are held those that may be had; absent: nothing is fetched. */
  readonly pullGit?: ((held: GitSource, find: FindRepository) => GitSource) | undefined;
  readonly environments: GitEnvironments;
  /** By which the mirror itself is asked, in lower case. */
  readonly ownNames: readonly string[];
  /** The hosts that are stood in for. */
  readonly served: () => ReadonlySet<string>;
  readonly git: Pick<UploadPackSettings, "maxProcesses" | "maxWaiting" | "idleSeconds" | "totalSeconds"> & {
    /** Bytes that its answers may take on the disk; 0: none. */
    readonly cacheSize: number;
  };
}

export interface ComposedApp {
  readonly app: FastifyInstance;
  readonly metrics: () => Promise<Metrics>;
  /** Lets go of pages that are open: a server that ends does not wait for them. */
  readonly endStreams: () => void;
}

export async function composeApp(parts: AppParts): Promise<ComposedApp> {
  const { paths, environments, logger, served, ownNames, traffic, activity } = parts;
  const { trust, isReplica, workersProblem, watchProblem, certificate, pullProblems, upstreamsAway } = parts;
  const overlook = new Overlook(paths, environments.features);
  const findRepository = createRepositoryFinder(paths);
  const git = await openUploadPack(parts, overlook.deeds);
  const held = heldGit(findRepository, git.uploadPack);
  const started = Date.now();
  const health = createHealthCheck(paths, {
    started,
    hosts: () => [...served()],
    overlook,
    trust,
    isReplica,
    workersProblem,
    watchProblem,
    certificate,
    pullProblems,
    upstreamsAway,
  });
  const seen = async () => overlook.now();
  const facts = createFacts({ paths, kinds: parts.kinds, seen, health, trust, mode: parts.mode, started });
  const metrics = lazy(async () => {
    const { createMetrics } = await import("./for-people.ts");
    return createMetrics({ traffic, activity, git: git.counts, health, overview: facts.overview });
  });
  const live = new LiveStreams({ traffic, activity, state: async () => stateOf(await facts.overview()) });
  overlook.start();
  const app = await buildApp({
    logger,
    hosts: { own: new Set(ownNames), served },
    arrivals: parts.arrivals,
    tokens: parts.tokens,
    identity: parts.identity,
    caCertificate: parts.caCertificate,
    isOwnRequest: parts.isOwnRequest,
    lacking: parts.lacking,
    isAway: () => isReplica && !paths.mirror.isFolder() && !paths.hex.isFolder(),
    traffic,
    activity,
    facts,
    live,
    paths,
    metrics: parts.isMeteredApart ? undefined : metrics,
    metricsTokens: parts.metricsTokens,
    snippets: parts.snippets,
    tlsPort: parts.tlsPort,
    source: parts.source,
    memory: parts.memory,
    onFile: parts.onFile,
    ...createApi(paths, parts.source, facts.packages),
    health,
    onClose: () => overlook.close(),
    complaint: (path, isThere) => overlook.complaint(path, isThere),
    git: parts.pullGit?.(held, findRepository) ?? held,
    openNameless: environments.openNameless,
    findRepository,
    requireServed: (place) => requireServed(place, environments.features),
  });
  return { app, metrics, endStreams: () => live.end() };
}

interface CountedGit {
  readonly uploadPack: UploadPack;
  readonly counts: () => GitCounts;
}

async function openUploadPack(
  { paths, environments, logger, git }: AppParts,
  deeds: Pick<Overlook["deeds"], "failed" | "succeeded">,
): Promise<CountedGit> {
  const { cacheSize, ...limits } = git;
  const counts = { asked: 0, begun: 0, ok: 0, failed: 0 };
  const direct = createUploadPack({
    environments,
    ...limits,
    onFailure: (dir, stderr) => logger.warn({ dir, stderr }, "git upload-pack failed"),
    onMistake: (dir, words) => logger.info({ dir, words }, "a git request cannot be answered"),
    onWanted: () => (counts.begun += 1),
    onRun: (place, asked, failure) => {
      counts[failure === undefined ? "ok" : "failed"] += 1;
      if (failure !== undefined) deeds.failed(place, asked, failure);
      else deeds.succeeded(place, asked);
    },
  });
  const store = await openAnswerStore(paths.cache, cacheSize, logger);
  const createSpool = async (onUnread: () => void) => GrowingFile.create(environments.scratchPlace().path, onUnread);
  const cached = cacheUploadPack(direct, store, createSpool, (error) =>
    logger.warn(`an answer of git's cannot be kept in a file: ${describeError(error)}`),
  );
  const uploadPack = counting(cached, () => (counts.asked += 1));
  return { uploadPack, counts: () => ({ ...counts, ...direct.load() }) };
}

function counting({ advertise, answer, load }: UploadPack, count: () => void): UploadPack {
  return {
    advertise: async (request) => {
      count();
      return advertise(request);
    },
    answer: async (request) => {
      count();
      return answer(request);
    },
    load,
  };
}

/** A cache folder that cannot be used costs speed, nothing else. */
async function openAnswerStore(cache: Place, size: number, logger: Logger): Promise<AnswerStore | undefined> {
  if (size === 0) return undefined;
  try {
    return await AnswerStore.open(cache.at("git-answers"), size);
  } catch (error) {
    logger.warn(`git's answers are not cached, since ${cache.path} cannot be used: ${describeError(error)}`);
    return undefined;
  }
}
