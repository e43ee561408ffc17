/** The tokens that guard what was private upstream: what `serve` asks for, and what clients of `exec` and `env` send. */
import type { Config } from "../config.ts";
import { readText } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import { parseTokens, type Tokens } from "./guard.ts";

/** @returns undefined where nothing is guarded @throws MirrorError `config`: a guard that cannot be read must not become an open door */
export async function readTokens({ requireToken }: Pick<Config, "requireToken">): Promise<Tokens | undefined> {
  if (requireToken === undefined) return undefined;
  const { files, everything } = requireToken;
  const texts = files.map((file) =>
    readText(file).catch((cause: unknown) => {
      throw new MirrorError("config", `--require-token: cannot read ${file}`, { cause });
    }),
  );
  const tokens = (await Promise.all(texts)).flatMap(parseTokens);
  if (tokens.length === 0) throw new MirrorError("config", `--require-token: ${files.join(", ")} holds no token`);
  return { tokens, everything };
}
