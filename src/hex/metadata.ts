/**
 * `metadata.config`: what a tarball says of itself, a list of `{<<"key">>, Value}` terms. Only what a registry record
 * and the API need is read. https://github.com/hexpm/specifications/blob/main/package_metadata.md
 */
import { MirrorError } from "../errors.ts";
import { readErlangTerms, textOf, type ErlangTerm } from "./erlang-terms.ts";
import { compareNames, isPackageName } from "../names/hex-names.ts";
import { isVersion } from "../names/versions.ts";

export interface Requirement {
  readonly package: string;
  readonly app: string;
  readonly requirement: string;
  readonly optional: boolean;
  /** `hexpm`, an organisation's name or another repository's; absent in old tarballs. */
  readonly repository: string | undefined;
}

export interface Metadata {
  readonly name: string;
  readonly version: string;
  readonly app: string;
  /** Sorted by package name. */
  readonly requirements: readonly Requirement[];
  /** For people; what is missing or malformed of it is empty. */
  readonly about: About;
}

export interface About {
  readonly description: string | undefined;
  readonly licenses: readonly string[];
  readonly links: Readonly<Record<string, string>>;
  /** `mix`, `rebar3`, `make` */
  readonly buildTools: readonly string[];
  /** A requirement such as `~> 1.12`. */
  readonly elixir: string | undefined;
}

/** @throws MirrorError `malformed` */
export function readMetadata(source: string): Metadata {
  const fields = properties({ type: "list", items: readErlangTerms(source) });
  const name = requiredText(fields, "name");
  const version = requiredText(fields, "version");
  if (!isPackageName(name)) throw malformed(`${JSON.stringify(name)} is no package name`);
  if (!isVersion(version)) throw malformed(`${JSON.stringify(version)} is no version`);
  const app = textOf(fields.get("app")) ?? name;
  return { name, version, app, requirements: readRequirements(fields.get("requirements")), about: readAbout(fields) };
}

function readAbout(fields: Map<string, ErlangTerm>): About {
  const links = fields.get("links");
  const pairs = links?.type === "map" || links?.type === "list" ? linkPairs(links) : [];
  return {
    description: textOf(fields.get("description")),
    licenses: textsOf(fields.get("licenses")),
    links: Object.fromEntries(pairs),
    buildTools: textsOf(fields.get("build_tools")),
    elixir: textOf(fields.get("elixir")),
  };
}

function linkPairs(term: ErlangTerm): [string, string][] {
  const items = term.type === "map" ? term.pairs : term.type === "list" ? term.items : [];
  return items.flatMap((item) => {
    const [key, value] = "type" in item ? (item.type === "tuple" ? item.items : []) : item;
    const [name, url] = [textOf(key), textOf(value)];
    return name === undefined || url === undefined ? [] : [[name, url]];
  });
}

function textsOf(term: ErlangTerm | undefined): string[] {
  const items = term?.type === "list" ? term.items : [];
  return items.map(textOf).filter((text) => text !== undefined);
}

/**
 * Hex's tools have written requirements as pairs of name and proplist, as proplists that hold their `name`, and, from
 * rebar3, as a map.
 */
function readRequirements(term: ErlangTerm | undefined): Requirement[] {
  if (term === undefined) return [];
  if (term.type !== "list" && term.type !== "map") throw malformed("requirements is neither a list nor a map");
  const items = term.type === "map" ? pairsOf(term) : term.items;
  const requirements = items.map((item) => {
    const [key, value] = "type" in item ? (item.type === "tuple" ? item.items : []) : item;
    const name = textOf(key);
    if (name !== undefined && value !== undefined) return readRequirement(name, properties(value));
    if (!("type" in item) || item.type !== "list") throw malformed("a requirement is neither pair nor list");
    const fields = properties(item);
    return readRequirement(requiredText(fields, "name"), fields);
  });
  return requirements.sort((a, b) => compareNames(a.package, b.package));
}

function readRequirement(name: string, fields: Map<string, ErlangTerm>): Requirement {
  if (!isPackageName(name)) throw malformed(`${JSON.stringify(name)} is no package name`);
  const optional = fields.get("optional");
  return {
    package: name,
    app: textOf(fields.get("app")) ?? name,
    // A requirement of `nil` means any version.
    requirement: textOf(fields.get("requirement")) ?? ">= 0.0.0",
    optional: optional?.type === "atom" && optional.name === "true",
    repository: textOf(fields.get("repository")),
  };
}

function properties(term: ErlangTerm): Map<string, ErlangTerm> {
  const fields = new Map<string, ErlangTerm>();
  for (const [key, value] of pairsOf(term)) {
    const name = textOf(key) ?? (key.type === "atom" ? key.name : undefined);
    if (name === undefined) throw malformed("a key is neither a text nor an atom");
    fields.set(name, value);
  }
  return fields;
}

/** A map's pairs, or a list's two-element tuples. */
function pairsOf(term: ErlangTerm): (readonly [ErlangTerm, ErlangTerm])[] {
  if (term.type === "map") return [...term.pairs];
  if (term.type !== "list") throw malformed("a value is neither a list of pairs nor a map");
  return term.items.map((item) => {
    const [key, value] = item.type === "tuple" && item.items.length === 2 ? item.items : [];
    if (key === undefined || value === undefined) throw malformed("an entry is no pair of key and value");
    return [key, value];
  });
}

function requiredText(fields: Map<string, ErlangTerm>, key: string): string {
  const text = textOf(fields.get(key));
  if (text === undefined) throw malformed(`"${key}" is missing`);
  return text;
}

function malformed(what: string): MirrorError {
  return new MirrorError("malformed", `metadata.config: ${what}`);
}
