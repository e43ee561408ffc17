/** Starts the server on a mirror's folder, and ends it. The order of the wiring is the order of the comments. */
import { randomBytes } from "node:crypto";
import { access, constants } from "node:fs/promises";
import type { RequestListener } from "node:http";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError, describeError } from "../errors.ts";
import { AnswerStore } from "../git/answer-store.ts";
import { cacheUploadPack } from "../git/cached-upload-pack.ts";
import { keepEmptyFolders } from "../git/empty-folders.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { unservedReason } from "../git/inspect.ts";
import { isTracked } from "../git/tracked.ts";
import { createUploadPack } from "../git/upload-pack.ts";
import { hexpm } from "../names/hex-repository.ts";
import { buildApp } from "../serve/app.ts";
import { arrivals, arrivalsByWorkers, fileHeader } from "../serve/arrival.ts";
import { createFileMemory } from "../serve/file-memory.ts";
import type { Fingerprints } from "../serve/health-routes.ts";
import { inFrontOf } from "../serve/front.ts";
import { listen, type Listening } from "../serve/listen.ts";
import { listRepositories, listTarballs } from "../store/inventory.ts";
import { createRepositoryFinder } from "../store/repositories.ts";
import type { StoreFolders } from "../store/paths.ts";
import { createServedHosts } from "../store/served-hosts.ts";
import { createApi } from "../serve/api.ts";
import { build, type SigningKey } from "../registry/build.ts";
import type { Context } from "../store/context.ts";
import { createHealthCheck } from "../serve/health.ts";
import { identityProblem, openIdentity, type IdentityKey } from "../tls/live-identity.ts";
import { silentReporter } from "../reporter.ts";
import { announce, notAnnounced, registryFolder } from "../clients/running-server.ts";
import { readTokens } from "../serve/tokens.ts";
import { listenByWorkers, type Workers } from "../serve/workers.ts";
import { caFileOf, watchTrust } from "../store/trust.ts";

/** The settings of a server. */
export type ServeKey =
  | SigningKey
  | IdentityKey
  | keyof StoreFolders
  | "gitMaxProcesses"
  | "gitCacheSize"
  | "port"
  | "tlsPort"
  | "workers"
  | "trustProxy"
  | "requireToken"
  | "runtimeDir"
  | "ownCacheDir";

export interface ServeTools {
  readonly logger: Logger;
  /** Whether the user's other commands are to know it; not one that lasts as long as a command of its own. */
  readonly isAnnounced: boolean;
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

// Requests that may wait for a git process; beyond, clients are told to come back.
const maxWaitingGit = 256;
const gitIdleSeconds = 300;
// Longer than any pack takes whose client reads it.
const gitTotalSeconds = 3600;
const stalledSeconds = 60;

export interface Serving extends Listening {
  readonly fingerprints: Fingerprints;
}

export async function serve(
  context: Context<ServeKey>,
  { logger, isAnnounced, gitEnvironments }: ServeTools,
): Promise<Serving> {
  const { config, paths } = context;

  // 1 the folder: a new mirror gets an empty, signed registry; repositories get back what git dropped
  const signing = await signEmptyRegistry(context, logger);
  const environments = await gitEnvironments();
  // Where the way to them is barred there are none: that was told above, and the rest is served.
  for (const { place } of await listRepositories(paths).catch(() => [])) {
    // What bars the way is told with the rest of what is wrong.
    if (place.isFolder()) await keepEmptyFolders(place).catch(() => undefined);
    const reason = unservedReason(place, environments.features);
    if (reason !== undefined) logger.warn({ dir: place.path }, `a repository is not served, since ${reason}`);
  }

  // 2 git
  const direct = createUploadPack({
    environments,
    maxProcesses: config.gitMaxProcesses,
    maxWaiting: maxWaitingGit,
    idleSeconds: gitIdleSeconds,
    totalSeconds: gitTotalSeconds,
    onFailure: (dir, stderr) => logger.warn({ dir, stderr }, "git upload-pack failed"),
    onMistake: (dir, words) => logger.info({ dir, words }, "a git request cannot be answered"),
  });
  const store = await openAnswerStore(config, paths.cache, logger);
  const createSpool = async (onUnread: () => void) => GrowingFile.create(environments.scratchPlace().path, onUnread);
  const uploadPack = cacheUploadPack(direct, store, createSpool, (error) =>
    logger.warn(`an answer of git's cannot be kept in a file: ${describeError(error)}`),
  );

  // 3 hosts and their certificate
  const served = createServedHosts(paths);
  const listHosts = () => [...served()];
  const identity =
    config.tlsPort === undefined
      ? undefined
      : await openIdentity(config, listHosts, { logger, isTracked: (path) => isTracked(path, gitEnvironments) });

  // 4 the application, with what it answers from memory
  const memory = createFileMemory();
  const hasWorkers = config.workers > 1;
  const where = hasWorkers ? arrivalsByWorkers(config.trustProxy) : arrivals(config.trustProxy);
  let workers: Workers | undefined;
  const tokens = await readTokens(config);
  const trust = watchTrust(paths, caFileOf(config));
  const secret = isAnnounced ? randomBytes(32).toString("hex") : undefined;
  const app = await buildApp({
    logger,
    hosts: { own: new Set(config.name), served },
    arrivals: where,
    tokens,
    hex: paths.hex,
    upstream: paths.registry(hexpm).upstreamDir,
    files: paths.filesDir,
    filePath: (host, path) => paths.filePath(host, path),
    memory,
    onFile: (request, reply, place) => {
      if (hasWorkers) void reply.header(fileHeader, encodeURIComponent(place.path));
      else memory.remember(request.raw, request.originalUrl, place);
    },
    ...createApi(paths),
    caCertificate: () => identity?.current().caCertificate,
    health: createHealthCheck(paths, {
      started: Date.now(),
      hosts: listHosts,
      features: environments.features,
      trust,
      workersProblem: () => workers?.problem(),
      certificateProblem: () => (identity === undefined ? undefined : identityProblem(identity.current(), new Date())),
    }),
    identity:
      secret === undefined
        ? undefined
        : {
            secret,
            mirror: registryFolder(paths),
            fingerprint: async () => (await trust()).fingerprints.registry ?? "",
          },
    uploadPack,
    findRepository: createRepositoryFinder(paths),
    openNameless: environments.openNameless,
  });

  // 5 its sockets, or those of workers
  const tls = identity === undefined ? undefined : { port: config.tlsPort ?? 0, certificate: identity.current() };
  const options = { host: config.host, port: config.port, tls, stalledSeconds };
  const answer: RequestListener = (request, response) => app.routing(request, response);
  if (hasWorkers) {
    const socketPath = environments.scratchPlace().path;
    const work = { listen: options, socketPath, folders: foldersOf(config), trustedProxies: config.trustProxy };
    workers = await listenByWorkers(answer, {
      count: config.workers,
      work: { ...work, logLevel: logger.level },
      logger,
    });
  }
  const onError = (error: Error) => logger.error({ err: error }, "a listener failed");
  const front = inFrontOf(answer, { memory, logger, arrivals: where });
  const listening = workers ?? (await listen(front, { ...options, onError }));
  identity?.watch(listening.setCertificate);
  const announcement =
    secret === undefined
      ? undefined
      : await announce(context, { port: listening.port, secret }).catch((error: unknown) => {
          logger.warn(notAnnounced(error));
        });
  logger.info({ port: listening.port, tlsPort: listening.tlsPort, mirror: paths.mirror.path }, "serving");
  return {
    ...listening,
    fingerprints: (await trust()).fingerprints,
    close: async (graceSeconds) => {
      // What is under way comes to its end: nothing is written any more when this is over.
      await Promise.all([identity?.stop(), signing.stop(), announcement?.withdraw()]);
      await listening.close(graceSeconds);
      await app.close();
    },
  };
}

function foldersOf({ mirror, hexDir, gitDir, cacheDir, certsDir, privateKey }: StoreFolders): StoreFolders {
  return { mirror, hexDir, gitDir, cacheDir, certsDir, privateKey };
}

/** A cache folder that cannot be used costs speed, nothing else. */
async function openAnswerStore(
  { gitCacheSize }: Pick<Config, "gitCacheSize">,
  cache: Place,
  logger: Logger,
): Promise<AnswerStore | undefined> {
  if (gitCacheSize === 0) return undefined;
  try {
    return await AnswerStore.open(cache.at("git-answers"), gitCacheSize);
  } catch (error) {
    logger.warn(`git's answers are not cached, since ${cache.path} cannot be used: ${describeError(error)}`);
    return undefined;
  }
}

interface Signing {
  /** Done when nothing is signed any more. */
  readonly stop: () => Promise<void>;
}

/** @returns what ends the signing, where it has to wait for another process and goes on beside the serving */
async function signEmptyRegistry(context: Context<SigningKey>, logger: Logger): Promise<Signing> {
  const { paths } = context;
  const stopping = new AbortController();
  let later: Promise<void> | undefined;
  const signing: Signing = {
    stop: async () => {
      stopping.abort();
      await later;
    },
  };
  // A mirror's folder that is none of ours ends it here; a registry's does not keep git from being served.
  paths.mirror.look();
  try {
    if (await isSigned(context)) return signing;
    paths.hex.makeFolder();
    paths.mirror.makeFolder();
    await access(paths.mirror.verifiedPath(), constants.W_OK);
  } catch (error) {
    logger.warn(`the mirror has no signed registry, and none can be written here: ${describeError(error)}`);
    return signing;
  }
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const quiet = { ...context, reporter: silentReporter, signal };
  await build(quiet, { wait: false }).catch((error: unknown) => {
    if (!isBusy(error)) throw error;
    logger.warn("another process is writing to this mirror; its registry is signed, if need be, when that is done");
    later = signLater(quiet, logger);
  });
  return signing;
}

/** A first sync signs the registry itself; one that was killed leaves that to us. */
async function signLater(context: Context<SigningKey>, logger: Logger): Promise<void> {
  while (!context.signal.aborted) {
    try {
      await build(context);
      return;
    } catch (error) {
      if (await isSigned(context).catch(() => false)) return;
      if (!isBusy(error) && !context.signal.aborted) {
        logger.error(`the registry cannot be signed: ${describeError(error)}`);
        return;
      }
    }
  }
}

async function isSigned({ paths }: Context): Promise<boolean> {
  const registry = paths.registry(hexpm);
  return registry.resource("names").isFile() || (await listTarballs(registry)).length > 0;
}

function isBusy(error: unknown): boolean {
  return error instanceof MirrorError && error.code === "busy";
}
