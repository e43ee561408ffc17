/** What the Hex packages of tailwind and esbuild say of what they download: which version, and by which keys npm signs. Pure. */
import { readTokens } from "./elixir-tokens.ts";
import { readLiterals } from "./literals.ts";
import type { ToolPackage } from "./tools.ts";
import { toolNames, type ToolName } from "../lock/entries.ts";

/** Which of its sources say that. */
export function isOfTool(path: string): boolean {
  return toolNames.some((name) => path === `lib/${name}.ex`) || path === npmRegistry;
}

/** @param sources of the Hex package of that name, by path @throws MirrorError `malformed` */
export function readToolPackage(name: ToolName, sources: ReadonlyMap<string, string>): ToolPackage {
  const latest = readLiterals(sources.get(`lib/${name}.ex`) ?? "", () => undefined).attribute("latest_version");
  return { latest, keys: npmKeys(sources.get(npmRegistry) ?? "") };
}

const npmRegistry = "lib/esbuild/npm_registry.ex";

/** As the package holds them: a map of names and PEM. */
function npmKeys(source: string): Record<string, string> {
  const texts = readTokens(source).map((token) =>
    token.type === "text" && token.parts.every((part) => typeof part === "string") ? token.parts.join("") : undefined,
  );
  const pairs = texts.flatMap((name, at) => {
    const pem = texts[at + 2];
    return name?.startsWith("SHA256:") === true && pem !== undefined ? [[name, unindented(pem)] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/** A heredoc stands as far to the right as what is around it. */
function unindented(text: string): string {
  return text.replace(/^[ \t]+/gm, "").trim();
}
