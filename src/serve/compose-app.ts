/**
 * The application of one mirror, from what a server has: its folder, git, and what it was told. The same for `serve` and for
 * tests; it listens to nothing. Order: 1 git, its queue and its cache; 2 what health tells; 3 the routes.
 */
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import { AnswerStore } from "../git/answer-store.ts";
import { cacheUploadPack } from "../git/cached-upload-pack.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { createUploadPack, type UploadPack, type UploadPackSettings } from "../git/upload-pack.ts";
import { createHealthCheck, type HealthSources } from "../health/health.ts";
import { Overlook } from "../health/overlook.ts";
import type { StorePaths } from "../store/paths.ts";
import { createRepositoryFinder } from "../store/repositories.ts";
import { createApi } from "./api.ts";
import { buildApp, type AppDependencies } from "./app.ts";
import { heldGit, type FindRepository, type GitSource } from "./git-source.ts";
import type { Source } from "./source.ts";

export interface AppParts
  extends
    Pick<
      AppDependencies,
      "logger" | "arrivals" | "tokens" | "identity" | "caCertificate" | "onFile" | "memory" | "isOwnRequest" | "lacking"
    >,
    Pick<
      HealthSources,
      "trust" | "workersProblem" | "watchProblem" | "certificate" | "pullProblems" | "upstreamsAway"
    > {
  readonly paths: StorePaths;
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

export async function composeApp(parts: AppParts): Promise<FastifyInstance> {
  const { paths, environments, logger, served, ownNames } = parts;
  const { trust, workersProblem, watchProblem, certificate, pullProblems, upstreamsAway } = parts;
  const overlook = new Overlook(paths, environments.features);
  const findRepository = createRepositoryFinder(paths);
  const held = heldGit(findRepository, await openUploadPack(parts, overlook.deeds));
  overlook.start();
  return buildApp({
    logger,
    hosts: { own: new Set(ownNames), served },
    arrivals: parts.arrivals,
    tokens: parts.tokens,
    identity: parts.identity,
    caCertificate: parts.caCertificate,
    isOwnRequest: parts.isOwnRequest,
    lacking: parts.lacking,
    source: parts.source,
    memory: parts.memory,
    onFile: parts.onFile,
    ...createApi(paths, parts.source),
    health: createHealthCheck(paths, {
      started: Date.now(),
      hosts: () => [...served()],
      overlook,
      trust,
      workersProblem,
      watchProblem,
      certificate,
      pullProblems,
      upstreamsAway,
    }),
    onClose: () => overlook.close(),
    complaint: (path, isThere) => overlook.complaint(path, isThere),
    git: parts.pullGit?.(held, findRepository) ?? held,
    openNameless: environments.openNameless,
  });
}

async function openUploadPack(
  { paths, environments, logger, git }: AppParts,
  deeds: Pick<Overlook["deeds"], "failed" | "succeeded">,
): Promise<UploadPack> {
  const { cacheSize, ...limits } = git;
  const direct = createUploadPack({
    environments,
    ...limits,
    onFailure: (dir, stderr) => logger.warn({ dir, stderr }, "git upload-pack failed"),
    onMistake: (dir, words) => logger.info({ dir, words }, "a git request cannot be answered"),
    onRun: (place, failure) => (failure === undefined ? deeds.succeeded(place) : deeds.failed(place, failure)),
  });
  const store = await openAnswerStore(paths.cache, cacheSize, logger);
  const createSpool = async (onUnread: () => void) => GrowingFile.create(environments.scratchPlace().path, onUnread);
  return cacheUploadPack(direct, store, createSpool, (error) =>
    logger.warn(`an answer of git's cannot be kept in a file: ${describeError(error)}`),
  );
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
