/** Starts the server on a mirror's folder, and ends it. The order of the wiring is the order of the comments. */
import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { MirrorError, describeError } from "../errors.ts";
import { AnswerStore } from "../git/answer-store.ts";
import { cacheUploadPack } from "../git/cached-upload-pack.ts";
import { keepEmptyFolders } from "../git/empty-folders.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { isFile } from "../files.ts";
import { hexpm } from "../hex/repository.ts";
import { createUploadPack } from "../git/upload-pack.ts";
import { buildApp } from "../serve/app.ts";
import { listen, type Listening } from "../serve/listen.ts";
import { listRepositories, listTarballs } from "../store/inventory.ts";
import { createRepositoryFinder } from "../store/repositories.ts";
import { createServedHosts } from "../store/served-hosts.ts";
import { createApi } from "./api.ts";
import { build } from "./build.ts";
import type { Context } from "./context.ts";
import { createHealthCheck } from "./health.ts";
import { readTokens } from "./tokens.ts";
import { identityProblem, openIdentity } from "./live-identity.ts";

export interface ServeTools {
  readonly logger: Logger;
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

// Requests that may wait for a git process; beyond, clients are told to come back.
const maxWaitingGit = 256;
const gitIdleSeconds = 300;

export async function serve(context: Context, { logger, gitEnvironments }: ServeTools): Promise<Listening> {
  const { config, paths } = context;
  for (const warning of config.warnings) logger.warn(warning);

  // 1 the folder: a new mirror gets an empty, signed registry; repositories get back what git dropped
  await signEmptyRegistry(context, logger);
  for (const { dir } of await listRepositories(paths)) {
    const isWhole = await keepEmptyFolders(dir).catch(() => false);
    if (!isWhole) logger.warn({ dir }, "not a whole git repository, and it cannot be mended here");
  }

  // 2 git
  const { own } = await gitEnvironments();
  const direct = createUploadPack({
    env: own,
    maxProcesses: config.gitMaxProcesses,
    maxWaiting: maxWaitingGit,
    idleSeconds: gitIdleSeconds,
    onFailure: (dir, stderr) => logger.warn({ dir, stderr }, "git upload-pack failed"),
  });
  const uploadPack = cacheUploadPack(direct, await openAnswerStore(config, logger), (error) =>
    logger.warn(`git's answers are not cached for a minute: ${describeError(error)}`),
  );

  // 3 hosts and their certificate
  const served = createServedHosts(paths);
  const identity = config.tlsPort === undefined ? undefined : await openIdentity(config, served.list, logger);

  // 4 the application and its sockets
  const tokens = await readTokens(config);
  const app = await buildApp({
    logger,
    hosts: { own: new Set(config.names), isServed: served.has },
    tokens,
    hexDir: paths.hexDir,
    upstreamDir: paths.registry(hexpm).upstreamDir,
    filesDir: paths.filesDir,
    filePath: (host, path) => paths.filePath(host, path),
    ...createApi(paths),
    caCertificate: () => identity?.current().caCertificate,
    health: createHealthCheck(paths, {
      started: Date.now(),
      hosts: served.list,
      isGuarded: tokens !== undefined,
      certificateProblem: () => (identity === undefined ? undefined : identityProblem(identity.current(), new Date())),
    }),
    uploadPack,
    findRepository: createRepositoryFinder(paths),
  });
  const tls = identity === undefined ? undefined : { port: config.tlsPort ?? 0, certificate: identity.current() };
  const listening = await listen(app, { host: config.host, port: config.port, tls });
  identity?.watch(listening.setCertificate);
  logger.info({ port: listening.port, tlsPort: listening.tlsPort, mirror: paths.mirrorDir }, "serving");
  return {
    ...listening,
    close: async (graceSeconds) => {
      identity?.stop();
      await listening.close(graceSeconds);
    },
  };
}

/** A cache folder that cannot be used costs speed, nothing else. */
async function openAnswerStore({ cacheDir, gitCacheSize }: Config, logger: Logger): Promise<AnswerStore | undefined> {
  if (gitCacheSize === 0) return undefined;
  try {
    return await AnswerStore.open(join(cacheDir, "git-answers"), gitCacheSize);
  } catch (error) {
    logger.warn(`git's answers are not cached, since ${cacheDir} cannot be used: ${describeError(error)}`);
    return undefined;
  }
}

async function signEmptyRegistry(context: Context, logger: Logger): Promise<void> {
  const { paths } = context;
  const registry = paths.registry(hexpm);
  if ((await isFile(registry.resource("names"))) || (await listTarballs(registry)).length > 0) return;
  try {
    await mkdir(paths.hexDir, { recursive: true });
    await mkdir(paths.mirrorDir, { recursive: true });
    await access(paths.mirrorDir, constants.W_OK);
  } catch (error) {
    logger.warn(`the mirror is empty and read-only, so it stays without a signed registry: ${describeError(error)}`);
    return;
  }
  // A first sync that is under way signs the registry when it is done, and that may take long.
  await build({ ...context, config: { ...context.config, dryRun: false } }, { wait: false }).catch((error: unknown) => {
    if (!(error instanceof MirrorError) || error.code !== "busy") throw error;
    logger.warn("another process is filling this mirror; its registry is served when it is signed");
  });
}
