/** A mirror as clients use it: `env`, and `exec`. */
import { applied, revertedVariables, type Change } from "../clients/variables.ts";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { hexpm } from "../names/hex-repository.ts";
import { clientEnvironment, type Client, type ClientKey } from "../clients/client-setup.ts";
import { tellForeign, type Context } from "../store/context.ts";
import type { ServeKey, Serving } from "./serve.ts";
import { describeMode, pullMode, type PullMode, type PullModeKey } from "../store/pull-mode.ts";
import { pulledHosts, type NamingKey } from "../upstream/named-hosts.ts";
import { caFileOf, fingerprintsOf, tellTrustProblems, type AuthorityKey } from "../store/trust.ts";
import { findRunning, unproven, type RunningKey } from "../clients/running-server.ts";

export async function variables(
  context: Context<ClientKey | RunningKey | NamingKey | PullModeKey>,
  client: Client,
  revert: boolean,
): Promise<Change> {
  const { config, reporter } = context;
  if (revert) return revertedVariables(client.environment);
  if (config.url !== undefined)
    return (await clientEnvironment(context, config.url, client, { isRunning: true })).change;
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
  return (await clientEnvironment(context, url, client, { isRunning: state === "this", hosts })).change;
}

export interface UseTools extends Client {
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

export async function withClients<T>(
  context: Context<ClientKey | RunningKey | ServeKey | "logLevel">,
  { gitEnvironments, ...client }: UseTools,
  work: (environment: Record<string, string>) => Promise<T>,
): Promise<T> {
  const { config, paths, reporter } = context;
  const use = async (url: string, temporary?: Pick<Serving, "hosts" | "mode">) => {
    const server = { isRunning: temporary === undefined, hosts: temporary?.hosts ?? [] };
    const { change, forget } = await clientEnvironment(context, url, client, server);
    await tellWhatIsUsed(context, url, temporary?.mode);
    try {
      return await work(applied(change, client.environment));
    } finally {
      // Nobody will come back to a port that was free just now.
      if (temporary !== undefined) await forget();
    }
  };
  if (config.url !== undefined) return use(config.url);
  await tellForeign(context);
  await tellTrustProblems(context);
  // One that is not there yet is made, and fetches what the command asks for.
  const isThere = paths.registry(hexpm).publicKey.look()?.isFile() === true;
  if (!isThere && (config.offline || config.pull === false || config.found.keys.has("mirror"))) {
    throw new MirrorError("config", `there is no mirror in ${paths.mirror.path}; sync one, or give --mirror or --url`);
  }
  const { state, url } = await findRunning(context);
  if (state === "this") return use(url);
  if (state === "another") reporter.note(`the server at ${url} serves another mirror, so it is not used`);
  if (state === "unproven") reporter.note(`${unproven(config.port)}, so it is not used`);
  // For as long as the command runs, for this machine only, without TLS.
  const temporary = { ...config, host: "127.0.0.1", port: 0, tlsPort: undefined, workers: 1 };
  const [{ createErrorLog }, { serve }] = await Promise.all([import("./error-log.ts"), import("./serve.ts")]);
  const logger = createErrorLog(config.logLevel === "info" ? "warn" : config.logLevel);
  const listening = await serve({ ...context, config: temporary }, { logger, gitEnvironments, isAnnounced: false });
  try {
    return await use(`http://127.0.0.1:${listening.port}`, listening);
  } finally {
    await listening.close(0);
  }
}

/** One line on standard error, so that what is used can be told from what was meant. */
async function tellWhatIsUsed(
  { config, paths, reporter }: Context<"url" | AuthorityKey>,
  url: string,
  mode: PullMode | undefined,
): Promise<void> {
  const { registry, ca, upstreams } = await fingerprintsOf(paths, caFileOf(config));
  const where = config.url === undefined ? `${paths.mirror.path}${mode === undefined ? ` at ${url}` : ""}` : url;
  const keys = [
    ...(registry === undefined || config.url !== undefined ? [] : [`registry ${registry}`]),
    ...(config.url === undefined ? Object.entries(upstreams).map(([name, { key }]) => `${name} ${key}`) : []),
    ...(ca === undefined ? [] : [`authority ${ca}`]),
  ];
  const how = mode === undefined ? "" : `, ${describeMode(mode)}`;
  reporter.note(`using the mirror ${where}${how}${keys.length === 0 ? "" : ` (${keys.join(", ")})`}`);
}
