/** A mirror as clients use it: `env`, and `exec`. */
import { environmentWith, type Change } from "../clients/variables.ts";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import type { Logger } from "pino";
import { isLoopback } from "../names/addresses.ts";
import { hexpm } from "../names/hex-repository.ts";
import type { Client, ClientKey, Server } from "../clients/client.ts";
import { clientEnvironment, containerEnvironment } from "../clients/client-setup.ts";
import { fillGleamCache } from "../clients/gleam-cache.ts";
import { openExecProxy, type ExecProxy } from "../clients/exec-proxy.ts";
import { authorityFor } from "../clients/mirror-face.ts";
import { noMirror, requireRoom, tellForeign, type Context } from "../store/context.ts";
import { readText } from "../disk/files.ts";
import type { ServeKey, Serving } from "./serve.ts";
import { isLocal } from "../store/inventory.ts";
import { describeMode, pullMode, type PullMode, type PullModeKey } from "../store/pull-mode.ts";
import { pulledHosts, type NamingKey } from "../upstream/named-hosts.ts";
import { caFileOf, fingerprintsOf, tellTrustProblems, type AuthorityKey } from "../store/trust.ts";
import {
  findRunning,
  askLacking,
  unproven,
  type LackReport,
  type Running,
  type RunningKey,
} from "../clients/running-server.ts";

export async function variables(
  context: Context<ClientKey | RunningKey | NamingKey | PullModeKey | "format">,
  client: Client,
): Promise<Change> {
  const { config, reporter } = context;
  // Both are read where there is no shell to take a path or a secret from.
  const isContainer = config.format === "container" || config.format === "gitlab";
  if (config.format === "gitlab" && config.url === undefined) {
    throw new MirrorError(
      "config",
      "--format gitlab is for jobs elsewhere: give --url, by which they reach the mirror",
    );
  }
  const begins = config.format === "docker" ? { ...client, addedTo: {} } : client;
  const environmentAt = async (asked: string, server: Server) => {
    if (!isContainer) return (await clientEnvironment(context, asked, begins, server)).change;
    return containerEnvironment(context, { url: config.url ?? urlOfContainers(context), asked }, client, server);
  };
  if (config.url !== undefined) return environmentAt(config.url, { isRunning: true });
  const { state, url } = await findRunning(context);
  if (state === "another") {
    throw new MirrorError(
      "config",
      `the server at ${url} serves another mirror; give its --mirror, --hex-dir or --port`,
    );
  }
  if (state === "unproven")
    throw new MirrorError("config", `${unproven(config.port)}; give its address with --url if you know it`);
  if (state === "none") reporter.note(`no mirror-server answers at ${url} yet; start it with "mirror-server serve"`);
  const { pulls } = await pullMode(context, client.isTracked);
  const hosts = pulls ? pulledHosts(config, client.locks) : [];
  return environmentAt(url, { isRunning: state === "this", hosts });
}

/** The machine that containers run on, by the name that engines give it. */
function urlOfContainers({ config, reporter }: Context<"host" | "port">): string {
  const { host, port } = config;
  if (isLoopback(host)) {
    reporter.note(
      `the server listens on ${host}, which containers reach where Docker Desktop runs; elsewhere serve with --host 0.0.0.0, ` +
        "and start them with --add-host host.docker.internal:host-gateway",
    );
  }
  return `http://host.docker.internal:${port}`;
}

export interface UseTools extends Client {
  readonly gitEnvironments: () => Promise<GitEnvironments>;
  /** Where a server that has to be begun tells what goes wrong. */
  readonly log: () => Promise<Logger>;
}

/** What a command is given that works with a mirror. */
export interface Use {
  readonly environment: Record<string, string>;
  /** Which mirror it is, in a line. */
  readonly description: string;
  /** The Hex repositories that its clients know, and those among them that are the mirror's own. */
  readonly repositories: readonly string[];
  readonly ownRepositories: readonly string[];
  /** What clients could not be given so far; undefined where that cannot be told. */
  readonly lacks: () => Promise<LackReport | undefined>;
  /** Whom clients asked for besides, where that is refused. */
  readonly refusals: () => readonly string[];
}

type UseKey = ProxyKey | RunningKey | ServeKey | "nearby";

export async function withClients<T>(
  context: Context<UseKey>,
  { gitEnvironments, log, ...client }: UseTools,
  work: (use: Use) => Promise<T>,
): Promise<T> {
  const { config, paths, reporter } = context;
  if (config.url !== undefined) {
    if (!config.hermetic) return useAt(context, client, { url: config.url, state: "this" }, work);
    throw new MirrorError("config", "--hermetic serves the mirror's folder by itself; leave --url out");
  }
  await tellForeign(context);
  await tellTrustProblems(context);
  await fillGleamCache(paths, client.locks, client.environment);
  // One that is not there yet is made, and fetches what the command asks for.
  const isThere = paths.registry(hexpm).publicKey.look()?.isFile() === true;
  if (!isThere && (config.offline || config.pull === false || config.found.keys.has("mirror")))
    throw noMirror(context, " or --url");
  if (!isThere) await requireRoom(context.paths);
  const running = await findRunning(context);
  const { state, url, pulls } = running;
  // One that runs may fetch, which is not wanted, and knows nothing of whom else clients may ask.
  const isOther = (config.offline && pulls !== false) || (config.pull === true && pulls === false);
  const isMeant = !config.hermetic && !isOther;
  if (state === "this" && isMeant) return useAt(context, client, running, work);
  if (state === "another") reporter.note(`the server at ${url} serves another mirror, so it is not used`);
  if (state === "unproven") reporter.note(`${unproven(config.port)}, so it is not used`);
  // For as long as the command runs, for this machine only, without TLS.
  // But for what asks other hosts by TLS.
  const own = { host: "127.0.0.1", port: 0, tlsPort: config.artefacts ? 0 : undefined, workers: 1 };
  const temporary = { ...config, ...own, metricsPort: undefined, metricsToken: undefined };
  const [logger, { serve }] = await Promise.all([log(), import("./serve.ts")]);
  const serving = await serve({ ...context, config: temporary }, { logger, gitEnvironments, isAnnounced: false });
  try {
    return await useOwn(context, client, serving, work);
  } finally {
    await serving.close(0);
  }
}

/** The mirror that answers there. */
async function useAt<T>(
  context: Context<UseKey>,
  client: Client,
  running: Running,
  work: (use: Use) => Promise<T>,
): Promise<T> {
  const since = Date.now();
  return behindProxy(context, client, running.url, async (proxy, tellHosts) => {
    const server = { isRunning: true, proxy: proxyOf(context, proxy) };
    const { change, repositories, hosts } = await clientEnvironment(context, running.url, client, server);
    tellHosts(hosts);
    return work({
      environment: environmentWith(change, client.environment),
      repositories,
      ownRepositories: ownOf(context, repositories),
      description: await describeUse(context, running.url),
      lacks: async () => askLacking(running, since),
      refusals: () => proxy?.refused() ?? [],
    });
  });
}

type ProxyKey = ClientKey | "artefacts" | "hermetic" | "proxy";

/**
 * With a proxy of its own for what the command asks other hosts by TLS, where that is wanted.
 * @param work is given what tells the proxy which hosts the mirror stands in for
 */
async function behindProxy<T>(
  context: Context<ProxyKey>,
  client: Client,
  url: string,
  work: (proxy: ExecProxy | undefined, tellHosts: (hosts: readonly string[]) => void) => Promise<T>,
): Promise<T> {
  const { artefacts, hermetic, proxy: users } = context.config;
  if (!artefacts && !hermetic) return work(undefined, () => undefined);
  let known: ReadonlySet<string> = new Set();
  const authority = url.startsWith("https:") ? await authorityFor(context, client) : undefined;
  const proxy = await openExecProxy({
    mirror: url,
    ca: authority === undefined ? undefined : await readText(authority),
    standsIn: (host) => known.has(host),
    onward: hermetic ? undefined : users,
  });
  try {
    return await work(proxy, (hosts) => (known = new Set(hosts)));
  } finally {
    await proxy.close();
  }
}

function proxyOf({ config }: Context<"hermetic">, proxy: ExecProxy | undefined) {
  return proxy === undefined ? undefined : { url: proxy.url, isRefusing: config.hermetic };
}

/** A mirror that is served for this alone. */
async function useOwn<T>(
  context: Context<UseKey>,
  client: Client,
  { port, hosts, mode, lackingSince }: Serving,
  work: (use: Use) => Promise<T>,
): Promise<T> {
  const url = `http://127.0.0.1:${port}`;
  return behindProxy(context, client, url, async (proxy, tellHosts) => {
    const server = { isRunning: false, hosts, proxy: proxyOf(context, proxy) };
    const { change, repositories, hosts: known, forget } = await clientEnvironment(context, url, client, server);
    tellHosts(known);
    // One that is started in there is held to the same.
    const held = context.config.hermetic ? { MIRROR_HERMETIC: "true" } : {};
    try {
      return await work({
        environment: { ...environmentWith(change, client.environment), ...held },
        repositories,
        ownRepositories: ownOf(context, repositories),
        description: await describeUse(context, url, mode),
        lacks: async () => ({ pulls: mode.pulls, lacking: await lackingSince(0) }),
        refusals: () => proxy?.refused() ?? [],
      });
    } finally {
      // Nobody will come back to a port that was free just now.
      await forget();
    }
  });
}

/** None of a mirror elsewhere, whose folder is not here. */
function ownOf({ paths }: Context, repositories: readonly string[]): string[] {
  return repositories.filter((repository) => isLocal(paths, repository));
}

/** So that what is used can be told from what was meant. @param mode of a server of its own */
async function describeUse(
  { config, paths }: Context<"url" | AuthorityKey>,
  url: string,
  mode?: PullMode,
): Promise<string> {
  const { registry, ca, upstreams } = await fingerprintsOf(paths, caFileOf(config));
  const where = config.url === undefined ? `${paths.mirror.path}${mode === undefined ? ` at ${url}` : ""}` : url;
  const keys = [
    ...(registry === undefined || config.url !== undefined ? [] : [`registry ${registry}`]),
    ...(config.url === undefined ? Object.entries(upstreams).map(([name, { key }]) => `${name} ${key}`) : []),
    ...(ca === undefined ? [] : [`authority ${ca}`]),
  ];
  const how = mode === undefined ? "" : `, ${describeMode(mode)}`;
  return `using the mirror ${where}${how}${keys.length === 0 ? "" : ` (${keys.join(", ")})`}`;
}
