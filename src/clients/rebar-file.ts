/**
 * rebar3's global configuration for a mirror: what the user has set for all projects, and the mirror as the place where
 * packages come from. Of what stands twice the last one counts. Pure.
 */
import { nameOf, readErlangTerms, valueOf } from "../hex/erlang-terms.ts";
import { hexpm, signedName } from "../names/hex-repository.ts";
import { binary, isOrganisation, isPublic, type RepositorySetup } from "./repository-setup.ts";

export interface RebarTerms {
  /** Of all terms. */
  readonly names: readonly string[];
  /** The user's file. */
  readonly own: string;
  /** Plugins for all projects, by name; those that cannot be told apart as one text. */
  readonly plugins: readonly string[];
}

/** @param own what the user's `rebar.config` holds */
export function readRebarTerms(own: string): RebarTerms {
  try {
    const terms = readErlangTerms(own, "rebar.config");
    const keys = terms.flatMap((term) => (term.type === "tuple" ? term.items.slice(0, 1) : [])).map(nameOf);
    const of = (key: string) => terms.map((term) => valueOf(term, key)).findLast((value) => value !== undefined);
    const plugins = of("plugins");
    const pluginNames = (plugins?.type === "list" ? plugins.items : []).map((item) => {
      const name = item.type === "tuple" ? item.items[0] : item;
      return (name === undefined ? undefined : nameOf(name)) ?? "one without a name";
    });
    return {
      own,
      names: keys.filter((key) => key !== undefined),
      plugins: pluginNames,
    };
  } catch {
    // It may hold what is no literal, such as funs.
    return {
      own,
      names: [],
      plugins: /\{\s*plugins\b/.test(own) ? ["those of your rebar.config"] : [],
    };
  }
}

/** The URL of hexpm comes by HEX_CDN, which rebar3 prefers. */
export function rebarConfig(setup: RepositorySetup, { own, plugins, names }: RebarTerms): string {
  const { url, publicKey, repositories, token } = setup;
  const key = `repo_public_key => ${binary(publicKey)}, repo_verify => true, repo_verify_origin => true`;
  const secret = token === undefined ? "" : `, repo_key => ${binary(token)}`;
  const entryOf = (name: string) => {
    if (isPublic(name)) return `#{name => <<"hexpm">>, api_url => ${binary(`${url}/api`)}, ${key}${secret}}`;
    if (isOrganisation(name)) return `#{name => ${binary(name)}${secret}}`;
    return `#{name => ${binary(name)}, repo_url => ${binary(`${url}/repos/${signedName(name)}`)}, ${key}${secret}}`;
  };
  const repos = [hexpm, ...repositories.filter((name) => !isPublic(name))].map(entryOf).join(", ");
  const without = [
    ...(plugins.length === 0 ? [] : ["{plugins, []}.\n"]),
    ...(names.includes("offline") ? ["{offline, false}.\n"] : []),
  ].join("");
  return `%% Written by mirror-server.\n${own.trimEnd()}\n${without}{hex, [{repos, [${repos}]}]}.\n`;
}
