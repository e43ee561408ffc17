/**
 * Hex's own `hex.config`, for what we need of it: what to send as `Authorization` for a repository, and the user's policy.
 *
 *   {'$oauth_token',#{access_token => <<"…">>,expires_at => 1795374784}}.
 *   {'$repos',#{<<"hexpm:acme">> => #{auth_key => <<"…">>,oauth_token => #{access_token => <<"…">>,expires_at => …}}}}.
 *
 * Hex exchanges an `auth_key` for a token that lasts some minutes, unless the repository says `oauth_exchange => false`.
 * A token that it left and that still lasts is used; else the key itself is sent.
 */
import { MirrorError, describeError } from "../errors.ts";
import { trimEnd } from "../text.ts";
import { nameOf, readErlangTerms, textOf, valueOf, type ErlangTerm } from "./erlang-terms.ts";
import { hexpm, organisationOf, sourceOf } from "../names/hex-repository.ts";

// As Hex does: a token that is about to end is not begun with.
const minimumSecondsLeft = 300;

/** Where hexpm is, when the file does not say. */
const hexpmUrl = "https://repo.hex.pm";

export interface TokenQuestion {
  readonly repository: string;
  /** Where it would be sent: a token is for the server that the file knows under that name, and for no other. */
  readonly url: string;
  /** Seconds since 1970. */
  readonly now: number;
}

/** @param where named in errors @throws MirrorError `config` when the file is damaged */
export function readHexConfigToken(
  source: string,
  where: string,
  { repository, url, now }: TokenQuestion,
): string | undefined {
  const terms = readTerms(source, where);
  const repos = terms.map((term) => valueOf(term, "$repos")).find((value) => value !== undefined);
  const login = terms.map((term) => valueOf(term, "$oauth_token")).find((value) => value !== undefined);
  const own = get(repos, repository);
  const sourceName = sourceOf(repository);
  const known = textOf(get(get(repos, sourceName), "url")) ?? (sourceName === hexpm ? hexpmUrl : undefined);
  if (known === undefined || !isBelow(url, known)) return undefined;
  const ofOwn = bearer(get(own, "oauth_token"), now) ?? textOf(get(own, "auth_key"));
  // Only an organisation shares what its source has; another repository gets nothing that was not meant for it.
  if (ofOwn !== undefined || organisationOf(repository) === undefined || sourceName !== hexpm) return ofOwn;
  return textOf(get(get(repos, hexpm), "auth_key")) ?? bearer(login, now);
}

/** Whether Hex exchanges the key that it keeps for a repository. @param source of a file that can be read */
export function isExchanged(source: string, repository: string): boolean {
  const terms = readTerms(source, "hex.config");
  const repos = terms.map((term) => valueOf(term, "$repos")).find((value) => value !== undefined);
  const of = (name: string) => get(get(repos, name), "oauth_exchange");
  const said = of(repository) ?? of(sourceOf(repository));
  return said === undefined || nameOf(said) !== "false";
}

/** The dependency policy that the user has set for all projects. @returns undefined, too, for a file that cannot be read */
export function readHexConfigPolicy(source: string): string | undefined {
  try {
    const terms = readErlangTerms(source, "hex.config");
    return textOf(terms.map((term) => valueOf(term, "policy")).find((value) => value !== undefined));
  } catch {
    return undefined;
  }
}

function isBelow(url: string, base: string): boolean {
  const plain = trimEnd(base, "/");
  return url === plain || url.startsWith(`${plain}/`);
}

function readTerms(source: string, where: string): ErlangTerm[] {
  try {
    return readErlangTerms(source, where);
  } catch (cause) {
    // What stands there may be a secret, and the error must not show it.
    throw new MirrorError("config", `cannot read Hex's configuration: ${describeError(cause).replace(/: .*/s, "")}`);
  }
}

function bearer(token: ErlangTerm | undefined, now: number): string | undefined {
  const access = textOf(get(token, "access_token"));
  const end = get(token, "expires_at");
  const isValid = end?.type === "number" && end.value - now > minimumSecondsLeft;
  return access !== undefined && isValid ? `Bearer ${access}` : undefined;
}

/** The value under a key of a map, or of a list of pairs. */
function get(term: ErlangTerm | undefined, key: string): ErlangTerm | undefined {
  if (term?.type === "list") return term.items.map((item) => valueOf(item, key)).find((value) => value !== undefined);
  return term?.type === "map" ? term.pairs.find(([name]) => nameOf(name) === key)?.[1] : undefined;
}
