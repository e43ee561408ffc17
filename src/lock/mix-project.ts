/**
 * The dependency policy that a `mix.exs` holds its project to. Read as data, never evaluated: the forms that Hex documents.
 *
 *   hex: [policy: [org: "acme", name: "strict"]]       hex: [policy: [repo: "corp", name: "strict"]]
 *   hex: [policy: "hexpm:acme/strict"]
 *
 * Pure. https://hex.pm/docs/dependency-policies
 */
import { hexpm } from "../names/hex-repository.ts";
import { parsePolicyName, type PolicyName } from "../names/policy-names.ts";

const policy = /\bpolicy:\s*(?:"([^"\n]{1,300})"|\[([^\][]{1,300})\])/.source;
// Of a list what stands in it, and not what stands in another list there.
const inList = new RegExp(`\\bhex:\\s*\\[(?:[^\\][]|\\[[^\\][]*\\])*?${policy}`);
// `hex: hex()` says it somewhere else. Of a dependency `hex: :name` says how its package is called.
const elsewhere = /\bhex:\s*@?[a-z_]/;

/** @returns undefined where there is none, or none that can be read */
export function readProjectPolicy(source: string): PolicyName | undefined {
  const code = source.split("\n").map(withoutComment).join("\n");
  const found = inList.exec(code) ?? (elsewhere.test(code) ? new RegExp(policy).exec(code) : undefined);
  const [, text, fields = ""] = found ?? [];
  if (text !== undefined) return parsePolicyName(text);
  const field = (key: string) => new RegExp(`\\b${key}:\\s*"([^"\\n]*)"`).exec(fields)?.[1];
  const [organisation, repository, name] = ["org", "repo", "name"].map(field);
  if (name === undefined || (organisation === undefined) === (repository === undefined)) return undefined;
  return parsePolicyName(`${repository ?? `${hexpm}:${organisation ?? ""}`}/${name}`);
}

/** Of a line; a # in a text is one of its characters. */
function withoutComment(line: string): string {
  return line.replace(/^((?:[^"#]|"(?:[^"\\]|\\.)*")*)#.*$/s, "$1");
}
