/** Starts the server on a mirror's folder, and ends it. The order of the wiring is the order of the comments. */
import { randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import type { Logger } from "pino";
import { keepEmptyFolders } from "../git/empty-folders.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { unservedReason } from "../git/inspect.ts";
import { isTracked } from "../git/tracked.ts";
import { composeApp } from "../serve/compose-app.ts";
import { arrivals, arrivalsByWorkers, fileHeader, fileHeaderOf } from "../serve/arrival.ts";
import { createFileMemory } from "../serve/file-memory.ts";
import { inFrontOf } from "../serve/front.ts";
import { Lacking, type Lack } from "../serve/lacking.ts";
import { listen, type Listening } from "../serve/listen.ts";
import { removeHalves } from "../store/halves.ts";
import { listRepositories } from "../store/inventory.ts";
import type { StoreFolders } from "../store/paths.ts";
import { createServedHosts } from "../store/served-hosts.ts";
import type { SigningKey } from "../registry/build.ts";
import type { Context } from "../store/context.ts";
import { identityProblem, openIdentity, type IdentityKey } from "../tls/live-identity.ts";
import { announce, notAnnounced, type Announced } from "../clients/announced-servers.ts";
import { registryFolder } from "../clients/running-server.ts";
import type { Config } from "../config.ts";
import { readMetricsTokens, readTokens } from "../serve/tokens.ts";
import { Traffic } from "../serve/traffic.ts";
import { Activity, begun } from "../serve/activity.ts";
import { listenForMetrics } from "../serve/metrics-listener.ts";
import type { Work } from "../facts/shape.ts";
import type { Pull } from "../pull/pull.ts";
import { listenByWorkers, type Workers } from "../serve/workers.ts";
import { folderSource } from "../serve/source.ts";
import { pullMode, type PullMode, type PullModeKey } from "../store/pull-mode.ts";
import { timeOf } from "../pull/hosts-away.ts";
import type { ServerIdentity } from "../tls/server-identity.ts";
import type { ShownCertificate } from "../health/health.ts";
import { snippetsAt } from "./client-snippets.ts";
import { leniently, openKinds } from "./kinds.ts";
import { loggingReporter } from "./logging-reporter.ts";
import type { PullingKey } from "./pulling.ts";
import type { LockWatch } from "./watch.ts";
import { signEmptyRegistry } from "./sign-empty.ts";
import { caFileOf, watchTrust, type Fingerprints, type Trust } from "../store/trust.ts";

/** The settings of a server. */
export type ServeKey =
  | SigningKey
  | IdentityKey
  | keyof StoreFolders
  | PullingKey
  | PullModeKey
  | "gitMaxProcesses"
  | "gitCacheSize"
  | "port"
  | "tlsPort"
  | "workers"
  | "trustProxy"
  | "requireToken"
  | "metricsToken"
  | "metricsPort"
  | "runtimeDir"
  | "ownCacheDir";

export interface ServeTools {
  readonly logger: Logger;
  /** Whether the user's other commands are to know it; not one that lasts as long as a command of its own. */
  readonly isAnnounced: boolean;
  readonly gitEnvironments: () => Promise<GitEnvironments>;
  /** Begins to sync what is watched, once the mirror is served; undefined: nothing is. */
  readonly startWatching?: (activity: Activity) => Promise<LockWatch | undefined>;
}

const gitLimits = {
  // Requests that may wait for a git process; beyond, clients are told to come back.
  maxWaiting: 256,
  idleSeconds: 300,
  // Longer than any pack takes whose client reads it.
  totalSeconds: 3600,
};
const stalledSeconds = 60;

export interface Serving extends Listening {
  readonly fingerprints: Fingerprints;
  readonly mode: PullMode;
  /** Hosts that it stands in for. */
  readonly hosts: readonly string[];
  /** Where metrics are asked for, where that is a port of its own. */
  readonly metricsPort: number | undefined;
  /** What clients could not be given since then. @param time milliseconds since 1970 */
  readonly lackingSince: (time: number) => Promise<Lack[]>;
}

export async function serve(
  context: Context<ServeKey>,
  { logger, isAnnounced, gitEnvironments, startWatching }: ServeTools,
): Promise<Serving> {
  const { config, paths } = context;

  // 1 the folder: a new mirror gets an empty, signed registry; repositories get back what git dropped. A replica is as it is.
  const signing = config.readOnly ? undefined : await signEmptyRegistry(context, logger);
  const environments = await gitEnvironments();
  if (!config.readOnly) await prepareRepositories(context);
  await tellUnserved(context, environments, logger);

  // 2 what clients ask for: what is held, and where the mirror pulls, what upstream has
  const mode = await pullMode(context, async (path) => isTracked(path, gitEnvironments));
  const activity: Activity = new Activity(() => pullsUnderWay(pull));
  const reporter = activity.listening(loggingReporter(logger));
  const views = environments.scratchPlace();
  const pull: Pull | undefined = mode.pulls
    ? await (await import("./pulling.ts")).startPulling({ ...context, reporter }, { gitEnvironments, views })
    : undefined;

  // 3 hosts and their certificate
  const served = createServedHosts(paths, pull?.hosts);
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
  let watching: LockWatch | undefined;
  const tokens = await readTokens(config);
  const metricsTokens = await readMetricsTokens(config);
  const trust = watchTrust(paths, caFileOf(config));
  const secret = isAnnounced && !config.readOnly ? randomBytes(32).toString("hex") : undefined;
  const lacking = new Lacking(async () => pull?.made());
  const traffic = new Traffic();
  let tlsPort: number | undefined;
  const { app, metrics, endStreams } = await composeApp({
    paths,
    kinds: () => openKinds(leniently(context), { gitEnvironments }),
    mode,
    traffic,
    activity,
    metricsTokens,
    isMeteredApart: config.metricsPort !== undefined,
    snippets: async (url) =>
      snippetsAt(url, {
        paths,
        hosts: listHosts(),
        isGuarded: tokens !== undefined,
        pulls: mode.pulls,
        identity,
      }),
    tlsPort: () => tlsPort,
    source: pull?.source ?? folderSource(paths),
    pullGit: pull?.git,
    environments,
    logger,
    ownNames: config.name,
    served,
    arrivals: where,
    tokens,
    memory,
    onFile: (request, reply, place, freshness) => {
      if (hasWorkers) void reply.header(fileHeader, fileHeaderOf({ path: place.path, ...freshness }));
      else memory.remember(request.raw, request.originalUrl, place, freshness);
    },
    git: { ...gitLimits, maxProcesses: config.gitMaxProcesses, cacheSize: config.gitCacheSize },
    trust,
    lacking,
    isOwnRequest: (via) => pull?.isOwnRequest(via) === true,
    pullProblems: () => pull?.problems() ?? [],
    isReplica: config.readOnly,
    upstreamsAway: () => (pull?.away() ?? []).map(({ since, ...away }) => ({ ...away, since: timeOf(since) })),
    workersProblem: () => workers?.problem(),
    watchProblem: () => watching?.problem(),
    certificate: () => (identity === undefined ? undefined : certificateOf(identity.current())),
    caCertificate: () => identity?.current().caCertificate,
    identity:
      secret === undefined
        ? undefined
        : { secret, mirror: registryFolder(paths), fingerprint: keyOf(trust), pulls: mode.pulls },
  });

  // 5 its sockets, or those of workers
  const tls = identity === undefined ? undefined : { port: config.tlsPort ?? 0, certificate: identity.current() };
  const options = { host: config.host, port: config.port, tls, stalledSeconds };
  const answer: RequestListener = (request, response) => app.routing(request, response);
  if (hasWorkers) {
    const socketPath = environments.scratchPlace().path;
    const own = { folders: foldersOf(config), views: views.path, trustedProxies: config.trustProxy };
    const work = { listen: options, socketPath, ...own, logLevel: logger.level };
    workers = await listenByWorkers(answer, { count: config.workers, work, logger, traffic });
  }
  const onError = (error: Error) => logger.error({ err: error }, "a listener failed");
  const front = inFrontOf(answer, { memory, logger, arrivals: where, traffic });
  const listening = workers ?? (await listen(front, { ...options, onError }));
  ({ tlsPort } = listening);
  identity?.watch(listening.setCertificate, listening.setTunnelled);
  const metered =
    config.metricsPort === undefined
      ? undefined
      : await listenForMetrics(metrics, {
          host: config.host,
          port: config.metricsPort,
          tokens,
          metricsTokens,
        }).catch(async (error: unknown) => {
          await listening.close(0);
          throw error;
        });
  const announced =
    secret === undefined ? undefined : announce(context, announcedBy(config, listening, { secret, pulls: mode.pulls }));
  const announcement = await announced?.catch((error: unknown): undefined => {
    logger.warn(notAnnounced(error));
    return undefined;
  });
  watching = await startWatching?.(activity);
  return {
    ...listening,
    fingerprints: (await trust()).fingerprints,
    mode,
    hosts: listHosts(),
    metricsPort: metered?.port,
    lackingSince: async (time) => lacking.since(time),
    close: async (graceSeconds) => {
      // What is under way comes to its end: nothing is written any more when this is over.
      await Promise.all([identity?.stop(), signing?.stop(), announcement?.withdraw(), watching?.stop()]);
      endStreams();
      await Promise.all([listening.close(graceSeconds), metered?.close()]);
      await app.close();
      await pull?.close();
    },
  };
}

/** What clients have asked for and is fetched just now. */
function pullsUnderWay(pull: Pull | undefined): Work[] {
  return (pull?.underWay() ?? []).map(({ what, host, since }) => begun(`${what} from ${host}`, since));
}

async function prepareRepositories({ paths }: Context): Promise<void> {
  await removeHalves(paths.git).catch(() => undefined);
  for (const { place } of await listRepositories(paths).catch(() => [])) {
    // What bars the way is told with the rest of what is wrong.
    if (place.isFolder()) await keepEmptyFolders(place).catch(() => undefined);
  }
}

async function tellUnserved({ paths }: Context, { features }: GitEnvironments, logger: Logger): Promise<void> {
  // Where the way to them is barred there are none: that was told before, and the rest is served.
  for (const { place } of await listRepositories(paths).catch(() => [])) {
    const reason = unservedReason(place, features);
    if (reason !== undefined) logger.warn({ dir: place.path }, `a repository is not served, since ${reason}`);
  }
}

function foldersOf({
  mirror,
  hexDir,
  gitDir,
  cacheDir,
  certsDir,
  privateKey,
  readOnly,
}: Pick<Config, ServeKey>): StoreFolders {
  return { mirror, hexDir, gitDir, cacheDir, certsDir, privateKey, readOnly };
}

/** What the user's other commands need for working with the same mirror. */
function announcedBy(
  { host, mirror, hexDir, gitDir, privateKey, certsDir }: Pick<Config, ServeKey>,
  { port, tlsPort }: Listening,
  known: Pick<Announced, "secret" | "pulls">,
): Announced {
  const folders = { mirror, hexDir, gitDir, privateKey, certsDir };
  return { port, host, ...known, folders, ...(tlsPort === undefined ? {} : { tlsPort }) };
}

function certificateOf(identity: ServerIdentity): ShownCertificate {
  const { validTo, isRenewable } = identity;
  return { validTo, isRenewable, problem: identityProblem(identity, new Date()) };
}

/** The registry's key, as an answer to who asks which mirror this is. */
function keyOf(trust: () => Promise<Trust>): () => Promise<string> {
  return async () => (await trust()).fingerprints.registry ?? "";
}
