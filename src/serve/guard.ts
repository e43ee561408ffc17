/**
 * Who may read what, with `--require-token`: a file's tokens guard what may be private (organisations and other Hex
 * repositories, git, files), and with `all` everything but what must be had before a token can be sent. One place for
 * all routes, by the target of a request, before any route is asked.
 *
 * Hex sends a token as it is (a repository's `auth_key`), git and curl as the password of a login.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { isOwnRoom, type Target } from "./hosts.ts";

export interface Tokens {
  readonly tokens: readonly string[];
  /** Whether they guard what is public elsewhere, too. */
  readonly everything: boolean;
}

export interface Guard {
  /** @param authorization the header, if any @throws MirrorError `refused`, or `unauthorized` for those who can log in */
  readonly check: (target: Target | undefined, authorization: string | undefined) => void;
  /** How much of what is guarded this asker may be told of. */
  readonly mayHear: (authorization: string | undefined) => "all" | "public" | "nothing";
}

type Reach = "open" | "public" | "private";

/** @param guarding undefined: everybody may read */
export function createGuard(guarding: Tokens | undefined): Guard {
  if (guarding === undefined) return { check: () => undefined, mayHear: () => "all" };
  const known = guarding.tokens.map(digest);
  // All of them are compared: how long it takes tells nothing.
  const isKnown = (token: string) => known.filter((each) => timingSafeEqual(each, digest(token))).length > 0;
  const isAdmitted = (authorization: string | undefined) =>
    authorization !== undefined && candidates(authorization).map(isKnown).includes(true);
  return {
    check: (target, authorization) => {
      const reach = reachOf(target);
      if (reach === "open" || (reach === "public" && !guarding.everything) || isAdmitted(authorization)) return;
      const why = authorization === undefined ? "needs a token" : "does not know that token";
      // Git and curl log in when they are asked to; Hex would ask its user for an account at hex.pm.
      if (target?.kind !== "upstream" && !(target?.kind === "own" && isOwnRoom(target.path))) {
        throw new MirrorError("unauthorized", `this mirror ${why}: give it as the password, with any user name`);
      }
      throw new MirrorError("refused", `this mirror ${why}; it is the repository's auth_key`);
    },
    mayHear: (authorization) => {
      if (isAdmitted(authorization)) return "all";
      return guarding.everything ? "nothing" : "public";
    },
  };
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
