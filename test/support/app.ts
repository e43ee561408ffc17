/** The application without sockets, on real folders and real git. */
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { AnswerStore } from "../../src/git/answer-store.ts";
import { cacheUploadPack } from "../../src/git/cached-upload-pack.ts";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { createUploadPack } from "../../src/git/upload-pack.ts";
import { createApi } from "../../src/mirror/api.ts";
import { createHealthCheck } from "../../src/mirror/health.ts";
import { buildApp } from "../../src/serve/app.ts";
import { StorePaths } from "../../src/store/paths.ts";
import { createRepositoryFinder } from "../../src/store/repositories.ts";
import { createServedHosts } from "../../src/store/served-hosts.ts";

export interface TestApp {
  readonly app: FastifyInstance;
  readonly paths: StorePaths;
  /** What was logged, as JSON lines. */
  readonly log: string[];
}

export async function testApp(
  mirrorDir: string,
  settings: { maxProcesses?: number; maxWaiting?: number; tokens?: string[] } = {},
) {
  const log: string[] = [];
  const logger = pino({ level: "info", base: null }, { write: (line: string) => void log.push(line) });
  const paths = new StorePaths({
    mirrorDir,
    hexDir: `${mirrorDir}/hex`,
    gitDir: `${mirrorDir}/git`,
    privateKeyFile: `${mirrorDir}/private_key.pem`,
  });
  const environments = await createGitEnvironments({ PATH: process.env["PATH"] });
  onTestFinished(() => environments.remove());
  const app = await buildApp({
    logger,
    hosts: { own: new Set(["mirror.test"]), isServed: createServedHosts(paths).has },
    tokens: settings.tokens,
    hexDir: paths.hexDir,
    upstreamDir: paths.registry("hexpm").upstreamDir,
    filesDir: paths.filesDir,
    filePath: (host, path) => paths.filePath(host, path),
    ...createApi(paths),
    caCertificate: () => undefined,
    health: createHealthCheck(paths, {
      started: Date.now(),
      hosts: () => [],
      isGuarded: false,
      certificateProblem: () => undefined,
    }),
    uploadPack: cacheUploadPack(
      createUploadPack({
        env: environments.own,
        maxProcesses: settings.maxProcesses ?? 4,
        maxWaiting: settings.maxWaiting ?? 16,
        idleSeconds: 30,
        onFailure: (dir, stderr) => logger.warn({ dir, stderr }, "git upload-pack failed"),
      }),
      await AnswerStore.open(`${mirrorDir}/cache`, 64 * 1024 * 1024),
      (error) => logger.warn(`cache: ${String(error)}`),
    ),
    findRepository: createRepositoryFinder(paths),
  });
  onTestFinished(() => app.close());
  return { app, paths, log } satisfies TestApp;
}
