/** What a project's `config/*.exs` says literally of a tool: which versions of it are wanted. Never evaluated; pure. */
import { readTokens, type Token } from "./elixir-tokens.ts";
import { literalsIn } from "./literals.ts";
import { toolNames, type ToolVersions } from "../lock/entries.ts";
import { isVersion } from "../names/versions.ts";

const asKey: Token = { type: "key", name: "version", isApart: true, isFirst: false };

/** @param sources texts of `config/*.exs`; what is too long or too deep to be read says nothing */
export function readToolVersions(sources: readonly string[]): ToolVersions[] {
  const said = new Map(toolNames.map((name) => [name, new Set<string>()]));
  for (const source of sources) {
    const tokens = tokensOf(source);
    const literals = literalsIn(tokens, () => undefined);
    for (const statement of statementsIn(tokens)) {
      const [, app, , key] = statement;
      const name = toolNames.find((each) => app?.type === "atom" && app.name === each);
      if (name === undefined) continue;
      // `config :tailwind, :version, "4.1.12"` says what `config :tailwind, version: "4.1.12"` says.
      const isAlone = key?.type === "atom" && key.name === "version";
      const within = isAlone ? [asKey, ...statement.slice(5)] : statement;
      for (const value of literals.key("version", within)) {
        if (value !== undefined && isVersion(value)) said.get(name)?.add(value);
      }
    }
  }
  return toolNames.map((name) => ({ name, versions: [...(said.get(name) ?? [])] }));
}

function tokensOf(source: string): readonly Token[] {
  try {
    return readTokens(source);
  } catch {
    return [];
  }
}

/** From one `config` to the next. */
function statementsIn(tokens: readonly Token[]): (readonly Token[])[] {
  const isBegin = (token: Token | undefined) => token?.type === "name" && token.name === "config";
  const begins = tokens.flatMap((token, at) => (isBegin(token) && tokens[at + 1]?.type === "atom" ? [at] : []));
  return begins.map((begin, index) => tokens.slice(begin, begins[index + 1]));
}
