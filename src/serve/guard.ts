/**
 * Who may read what, with `--require-token`: a file's tokens guard what may be private (organisations and other Hex
 * repositories, git, files), and with `all` everything but what must be had before a token can be sent. One place for
 * all routes, by the target of a request, before any route is asked.
 *
 * Hex sends a token as it is (a repository's `auth_key`), git and curl as the password of a login. Who logged in on the page
 * is known by a session (sessions.ts), which opens the page and what it reads, and nothing else. With `--metrics-token`,
 * other tokens open `/metrics`, and nothing else.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { isOwnRoom, type Target } from "./hosts.ts";
import type { Sessions } from "./sessions.ts";

export interface Tokens {
  readonly tokens: readonly string[];
  /** Whether they guard what is public elsewhere, too. */
  readonly everything: boolean;
}

/** What the guard knows whom by. */
export interface Guarding {
  /** undefined: everybody may read. */
  readonly tokens: Tokens | undefined;
  /** Those that open metrics besides; undefined: they are guarded as the rest is. */
  readonly metricsTokens?: readonly string[] | undefined;
  readonly sessions: Pick<Sessions, "isKnown">;
}

/** Of a request's headers. */
export interface Credentials {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
}

export interface Guard {
  /** @throws MirrorError `refused`, or `unauthorized` for those who can log in */
  readonly check: (target: Target | undefined, credentials: Credentials) => void;
  /** How much of what is guarded this asker may be told of. */
  readonly mayHear: (credentials: Credentials) => "all" | "public" | "nothing";
  /** Whether that is one of the tokens that guard everything else. */
  readonly isToken: (text: string) => boolean;
}

type Reach = "open" | "public" | "private";

export function createGuard({ tokens: guarding, metricsTokens, sessions }: Guarding): Guard {
  const isKnown = comparing(guarding?.tokens ?? []);
  const opensMetrics = comparing([...(guarding?.tokens ?? []), ...(metricsTokens ?? [])]);
  const isAdmitted = ({ authorization, cookie }: Credentials, target: Target | undefined) =>
    (authorization !== undefined && candidates(authorization).map(isKnown).includes(true)) ||
    (target?.kind === "own" && isOfPage(target.path) && sessions.isKnown(cookie));
  return {
    isToken: isKnown,
    check: (target, credentials) => {
      const { authorization } = credentials;
      if (target?.kind === "own" && target.path === "/metrics" && (guarding ?? metricsTokens) !== undefined) {
        if (authorization !== undefined && candidates(authorization).map(opensMetrics).includes(true)) return;
        throw new MirrorError(
          "unauthorized",
          "metrics need a token: give it as a bearer, or as the password of a login",
        );
      }
      if (guarding === undefined) return;
      const reach = reachOf(target);
      if (reach === "open" || (reach === "public" && !guarding.everything) || isAdmitted(credentials, target)) return;
      const why = authorization === undefined ? "needs a token" : "does not know that token";
      // Git, curl and people log in when they are asked to; Hex would ask its user for an account at hex.pm.
      const isOfHex = target?.kind === "upstream" || (target?.kind === "own" && isRoomOfHex(target.path));
      if (!isOfHex) {
        throw new MirrorError("unauthorized", `this mirror ${why}: give it as the password, with any user name`);
      }
      throw new MirrorError(
        "refused",
        `this mirror ${why}; give it as the password of this host in .netrc, with any login`,
      );
    },
    mayHear: (credentials) => {
      if (guarding === undefined || isAdmitted(credentials, undefined)) return "all";
      return guarding.everything ? "nothing" : "public";
    },
  };
}

function isRoomOfHex(path: string): boolean {
  return isOwnRoom(path) && !isOfPage(path);
}

/** All of them are compared: how long it takes tells nothing. */
function comparing(tokens: readonly string[]): (token: string) => boolean {
  const known = tokens.map(digest);
  return (token) => known.filter((each) => timingSafeEqual(each, digest(token))).length > 0;
}

/** The page, what it reads, and the documentation that it shows. */
export function isOfPage(path: string): boolean {
  return /^\/(?:$|ui\/|api\/mirror(?:\/|$)|(?:repos\/[^/]+\/)?docs\/[^/]+\/)/.test(path);
}

/** Mix cannot send a token for installers, and keys and authorities are needed to trust what then asks for one. */
function reachOf(target: Target | undefined): Reach {
  if (target === undefined) return "public";
  // Which other hosts there are is told to nobody either.
  if (target.kind === "git" || target.kind === "file" || target.kind === "unknown") return "private";
  const { path } = target;
  if (target.kind === "own" && !isOwnRoom(path)) return "private";
  if (/^\/(?:public_key|installs\/.*)$/.test(path)) return "open";
  if (target.kind === "own" && /^\/(?:health(?:\/live|\/ready|\/identity|\/lacking)?|ca\.pem)$/.test(path))
    return "open";
  // What it is made of, and how one logs in, tells nothing.
  if (target.kind === "own" && /^\/(?:login|logout|ui\/assets\/.*)$/.test(path)) return "open";
  if (target.kind === "own" && isOfPage(path)) return "private";
  // `repos/hexpm` is what everybody may read, by its other name.
  return /^\/(?:api\/)?repos\/(?!hexpm\/)/.test(path) ? "private" : "public";
}

/** What a header may say the token is: itself, or a part of a login. */
function candidates(authorization: string): string[] {
  const [, scheme = "", value = ""] = /^(?:(Bearer|Basic)\s+)?(.*)$/is.exec(authorization.trim()) ?? [];
  if (scheme.toLowerCase() !== "basic") return [value];
  const login = Buffer.from(value, "base64").toString("utf8");
  const colon = login.indexOf(":");
  return [value, ...(colon === -1 ? [login] : [login.slice(0, colon), login.slice(colon + 1)])];
}

/** One line each; empty lines and those that begin with `#` do not count. */
export function parseTokens(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
