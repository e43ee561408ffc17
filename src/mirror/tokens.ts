/** The tokens that guard what was private upstream: what `serve` asks for, and what clients of `exec` and `env` send. */
import type { Config } from "../config.ts";
import { readText } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import { parseTokens } from "../serve/guard.ts";

/** @throws MirrorError `config`: a guard that cannot be read must not become an open door */
export async function readTokens({ requireTokenFile }: Config): Promise<string[] | undefined> {
  if (requireTokenFile === undefined) return undefined;
  const text = await readText(requireTokenFile).catch((cause: unknown) => {
    throw new MirrorError("config", `--require-token: cannot read ${requireTokenFile}`, { cause });
  });
  const tokens = parseTokens(text);
  if (tokens.length === 0) throw new MirrorError("config", `--require-token: ${requireTokenFile} holds no token`);
  return tokens;
}
