/**
 * Hex's configuration for a mirror: the user's own terms, since some of them protect (`cooldown`, `policy`), but for those
 * that would lead past the mirror, and the mirror as the place where packages come from. Pure.
 */
import { nameOf, readWrittenTerms, textOf, valueOf, type ErlangTerm } from "../hex/erlang-terms.ts";
import { hexpm, signedName, sourceOf } from "../names/hex-repository.ts";
import { treatmentOf } from "./treatments.ts";
import { binary, isOrganisation, isPublic, type RepositorySetup } from "./repository-setup.ts";

export interface HexTerms {
  /** Of all terms. */
  readonly names: readonly string[];
  /** As they were written. */
  readonly kept: readonly string[];
  /** Repositories of the user's besides hexpm's. */
  readonly repositories: readonly string[];
  /** Terms that turn verification off, and are left out. */
  readonly switches: readonly string[];
  /** A file of authorities, as `cacerts_path` names it. */
  readonly cacerts: string | undefined;
  /** Whether the file cannot be read. */
  readonly isUnread: boolean;
}

/** @param source what the user's `hex.config` holds */
export function readHexTerms(source: string): HexTerms {
  let terms: ReturnType<typeof readWrittenTerms>;
  try {
    terms = readWrittenTerms(source, "hex.config");
  } catch {
    return { names: [], kept: [], repositories: [], switches: [], cacerts: undefined, isUnread: true };
  }
  const named = terms.map(({ term, text }) => ({ term, text, name: keyOf(term) }));
  const isKept = (name: string) => (treatmentOf("hex.config", name)?.treatment ?? "keep") === "keep";
  const isOn = (term: ErlangTerm, name: string) => nameOf(valueOf(term, name) ?? term) !== "false";
  const switches = named.filter(({ term, name }) => /^(?:unsafe|no_verify)_/.test(name) && isOn(term, name));
  return {
    names: named.map(({ name }) => name),
    kept: named.filter(({ name }) => isKept(name)).map(({ text }) => text),
    repositories: terms
      .flatMap(({ term }) => keysOf(valueOf(term, "$repos")))
      .filter((name) => sourceOf(name) !== hexpm),
    switches: switches.map(({ name }) => name),
    cacerts: textOf(terms.map(({ term }) => valueOf(term, "cacerts_path")).find((value) => value !== undefined)),
    isUnread: false,
  };
}

function keyOf(term: ErlangTerm): string {
  return term.type === "tuple" && term.items[0] !== undefined ? (nameOf(term.items[0]) ?? "") : "";
}

function keysOf(map: ErlangTerm | undefined): string[] {
  const keys = map?.type === "map" ? map.pairs.map(([key]) => nameOf(key)) : [];
  return keys.filter((key) => key !== undefined);
}

/**
 * Organisations have key and URL from hexpm. Of another repository Hex wants all fields. No token stands here: it comes by
 * .netrc (netrc-file.ts).
 */
export function hexConfig(setup: RepositorySetup, { kept }: HexTerms, isUrlInFile: boolean): string {
  const { url, publicKey, repositories } = setup;
  const key = `public_key => ${binary(publicKey)}`;
  const entries = repositories.flatMap((name) => {
    if (isPublic(name) || isOrganisation(name)) return [];
    const at = binary(`${url}/repos/${signedName(name)}`);
    return [`${binary(name)} => #{url => ${at},${key},auth_key => nil,oauth_exchange => false}`];
  });
  const hexpmUrl = isUrlInFile ? url : "https://repo.hex.pm";
  const repos = [`<<"hexpm">> => #{url => ${binary(hexpmUrl)},${key}}`, ...entries].join(",");
  return `${kept.map((text) => `${text}\n`).join("")}{'$repos',#{${repos}}}.\n`;
}
