/** The application without sockets, on real folders and real git. */
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { watchTrust } from "../../src/store/trust.ts";
import { composeApp } from "../../src/serve/compose-app.ts";
import { arrivals } from "../../src/serve/arrival.ts";
import { createFileMemory, type FileMemory } from "../../src/serve/file-memory.ts";
import { folderSource } from "../../src/serve/source.ts";
import { loadConfig } from "../../src/config.ts";
import { openKinds } from "../../src/mirror/kinds.ts";
import { silentReporter, type Reporter } from "../../src/reporter.ts";
import { Activity } from "../../src/serve/activity.ts";
import { Traffic } from "../../src/serve/traffic.ts";
import { StorePaths } from "../../src/store/paths.ts";
import { Lacking } from "../../src/serve/lacking.ts";
import { createServedHosts } from "../../src/store/served-hosts.ts";

export interface TestApp {
  readonly app: FastifyInstance;
  readonly paths: StorePaths;
  readonly memory: FileMemory;
  readonly traffic: Traffic;
  readonly activity: Activity;
  readonly reporter: Reporter;
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
  const config = loadConfig({ flags: { mirror }, environment: {}, cwd: mirror });
  const memory = createFileMemory(settings);
  const traffic = new Traffic();
  const activity = new Activity();
  const { app } = await composeApp({
    paths,
    kinds: () =>
      openKinds(
        { config, paths, reporter: silentReporter, signal: new AbortController().signal },
        { gitEnvironments: async () => environments },
      ),
    mode: { pulls: false, why: "a test says so" },
    activity,
    isMeteredApart: false,
    snippets: async () => [],
    tlsPort: () => undefined,
    source: folderSource(paths),
    environments,
    logger,
    ownNames: ["mirror.test"],
    served: createServedHosts(paths),
    arrivals: arrivals(settings.trustedProxies ?? []),
    tokens:
      settings.tokens === undefined
        ? undefined
        : { tokens: settings.tokens, everything: settings.isAllGuarded ?? false },
    memory,
    onFile: (request, _reply, place, freshness) => memory.remember(request.raw, request.originalUrl, place, freshness),
    git: {
      maxProcesses: settings.maxProcesses ?? 4,
      maxWaiting: settings.maxWaiting ?? 16,
      idleSeconds: 30,
      totalSeconds: 60,
      cacheSize: 64 * 1024 * 1024,
    },
    trust: watchTrust(paths, `${mirror}/certs/ca.pem`),
    workersProblem: () => undefined,
    watchProblem: () => undefined,
    pullProblems: () => [],
    isReplica: false,
    upstreamsAway: () => [],
    lacking: new Lacking(async () => undefined),
    traffic,
    isOwnRequest: () => false,
    certificate: () => undefined,
    caCertificate: () => undefined,
    identity: undefined,
  });
  onTestFinished(() => app.close());
  return { app, paths, memory, traffic, activity, reporter: silentReporter, log } satisfies TestApp;
}
