/** A mirror as clients use it: `env`, and `exec`. */
import { pino } from "pino";
import { revertedVariables } from "../clients/variables.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { clientEnvironment, isRunning, localUrl } from "./client-setup.ts";
import type { Context } from "./context.ts";
import { serve } from "./serve.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export async function variables(
  context: Context,
  environment: Environment,
  revert: boolean,
): Promise<{ set: Record<string, string>; unset: string[] }> {
  const url = context.config.url ?? localUrl(context.config);
  if (revert) return revertedVariables({ url }, environment);
  return { set: await clientEnvironment(context, url, environment), unset: [] };
}

export interface UseTools {
  readonly environment: Environment;
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

export async function withClients<T>(
  context: Context,
  { environment, gitEnvironments }: UseTools,
  work: (environment: Record<string, string>) => Promise<T>,
): Promise<T> {
  const { config } = context;
  const use = async (url: string) => {
    const set = await clientEnvironment(context, url, environment);
    return work({ ...defined(environment), ...set });
  };
  if (config.url !== undefined) return use(config.url);
  if (await isRunning(context)) return use(localUrl(config));
  // For as long as the command runs, for this machine only, without TLS: nobody else can reach it.
  const temporary = { ...config, host: "127.0.0.1", port: 0, tlsPort: undefined };
  const logger = pino({ level: config.logLevel === "info" ? "warn" : config.logLevel }, pino.destination(2));
  const listening = await serve({ ...context, config: temporary }, { logger, gitEnvironments });
  try {
    return await use(`http://127.0.0.1:${listening.port}`);
  } finally {
    await listening.close(0);
  }
}

function defined(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
