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

/** @returns undefined where there is none, or none that can be read */
export function readProjectPolicy(source: string): PolicyName | undefined {
  // A # within a text may be one of its characters.
  const code = source.replace(/^[ \t]*#.*$/gm, "");
  if (!/\bhex:/.test(code)) return undefined;
  const [, text, fields = ""] = /\bpolicy:\s*(?:"([^"\n]{1,300})"|\[([^\][]{1,300})\])/.exec(code) ?? [];
  if (text !== undefined) return parsePolicyName(text);
  const field = (key: string) => new RegExp(`\\b${key}:\\s*"([^"\\n]*)"`).exec(fields)?.[1];
  const [organisation, repository, name] = ["org", "repo", "name"].map(field);
  if (name === undefined || (organisation === undefined) === (repository === undefined)) return undefined;
  return parsePolicyName(`${repository ?? `${hexpm}:${organisation ?? ""}`}/${name}`);
}
