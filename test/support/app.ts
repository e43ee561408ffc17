/** The application without sockets, on real folders and real git. */
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { GrowingFile } from "../../src/disk/growing-file.ts";
import { AnswerStore } from "../../src/git/answer-store.ts";
import { cacheUploadPack } from "../../src/git/cached-upload-pack.ts";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { createUploadPack } from "../../src/git/upload-pack.ts";
import { createApi } from "../../src/serve/api.ts";
import { createHealthCheck } from "../../src/serve/health.ts";
import { watchTrust } from "../../src/store/trust.ts";
import { buildApp } from "../../src/serve/app.ts";
import { arrivals } from "../../src/serve/arrival.ts";
import { createFileMemory, type FileMemory } from "../../src/serve/file-memory.ts";
import { StorePaths } from "../../src/store/paths.ts";
import { createRepositoryFinder } from "../../src/store/repositories.ts";
import { createServedHosts } from "../../src/store/served-hosts.ts";

export interface TestApp {
  readonly app: FastifyInstance;
  readonly paths: StorePaths;
  readonly memory: FileMemory;
  /** What was logged, as JSON lines. */
  readonly log: string[];
}

export async function testApp(
  mirror: string,
  settings: {
    maxProcesses?: number;
    maxWaiting?: number;
    tokens?: string[];
    isAllGuarded?: boolean;
    trustedProxies?: string[];
    /** Milliseconds, as `createFileMemory` takes it. */
    settledAfter?: number;
  } = {},
) {
  const log: string[] = [];
  const logger = pino({ level: "info", base: null }, { write: (line: string) => void log.push(line) });
  const paths = new StorePaths({
    mirror,
    hexDir: `${mirror}/hex`,
    gitDir: `${mirror}/git`,
    cacheDir: `${mirror}/cache`,
    certsDir: `${mirror}/certs`,
    privateKey: `${mirror}/private_key.pem`,
  });
  const environments = await createGitEnvironments({ PATH: process.env["PATH"] });
  onTestFinished(() => environments.remove());
  const memory = createFileMemory(settings);
  const app = await buildApp({
    logger,
    hosts: { own: new Set(["mirror.test"]), served: createServedHosts(paths) },
    arrivals: arrivals(settings.trustedProxies ?? []),
    tokens:
      settings.tokens === undefined
        ? undefined
        : { tokens: settings.tokens, everything: settings.isAllGuarded ?? false },
    identity: undefined,
    hex: paths.hex,
    upstream: paths.registry("hexpm").upstreamDir,
    files: paths.filesDir,
    filePath: (host, path) => paths.filePath(host, path),
    memory,
    onFile: (request, _reply, place) => memory.remember(request.raw, request.originalUrl, place),
    ...createApi(paths),
    caCertificate: () => undefined,
    health: createHealthCheck(paths, {
      started: Date.now(),
      hosts: () => [],
      features: environments.features,
      trust: watchTrust(paths, `${mirror}/certs/ca.pem`),
      workersProblem: () => undefined,
      certificateProblem: () => undefined,
    }),
    uploadPack: cacheUploadPack(
      createUploadPack({
        environments,
        maxProcesses: settings.maxProcesses ?? 4,
        maxWaiting: settings.maxWaiting ?? 16,
        idleSeconds: 30,
        totalSeconds: 60,
        onFailure: (dir, stderr) => logger.warn({ dir, stderr }, "git upload-pack failed"),
        onMistake: (dir, words) => logger.info({ dir, words }, "a git request cannot be answered"),
      }),
      await AnswerStore.open(paths.cache.at("git-answers"), 64 * 1024 * 1024),
      async (onUnread) => GrowingFile.create(environments.scratchPlace().path, onUnread),
      (error) => logger.warn(`cache: ${String(error)}`),
    ),
    findRepository: createRepositoryFinder(paths),
    openNameless: environments.openNameless,
  });
  onTestFinished(() => app.close());
  return { app, paths, memory, log } satisfies TestApp;
}
