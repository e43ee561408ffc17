/** The tokens that guard what was private upstream: what `serve` asks for, and what clients of `exec` and `env` send. */
import type { Config } from "../config.ts";
import { readText } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import { parseTokens, type Tokens } from "./guard.ts";

/** @returns undefined where nothing is guarded @throws MirrorError `config`: a guard that cannot be read must not become an open door */
export async function readTokens({ requireToken }: Pick<Config, "requireToken">): Promise<Tokens | undefined> {
  if (requireToken === undefined) return undefined;
  const { files, everything } = requireToken;
  return { tokens: await readAll("--require-token", files), everything };
}

/** What opens metrics besides. @returns undefined where nothing was said @throws likewise */
export async function readMetricsTokens({
  metricsToken,
}: Pick<Config, "metricsToken">): Promise<readonly string[] | undefined> {
  return metricsToken === undefined ? undefined : readAll("--metrics-token", [metricsToken]);
}

async function readAll(option: string, files: readonly string[]): Promise<string[]> {
  const texts = files.map((file) =>
    readText(file).catch((cause: unknown) => {
      throw new MirrorError("config", `${option}: cannot read ${file}`, { cause });
    }),
  );
  const tokens = (await Promise.all(texts)).flatMap(parseTokens);
  if (tokens.length === 0) throw new MirrorError("config", `${option}: ${files.join(", ")} holds no token`);
  return tokens;
}
