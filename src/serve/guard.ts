/**
 * Guards what was private upstream: with `--require-token`, `/repos/…` answers only those who send one of the tokens,
 * as Hex sends a repository's `auth_key`.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { MirrorError } from "../errors.ts";

/** @throws MirrorError `refused` @param authorization the header, if any */
export type Guard = (authorization: string | undefined) => void;

/** @param tokens undefined: everybody may read */
export function createGuard(tokens: readonly string[] | undefined): Guard {
  if (tokens === undefined) return () => undefined;
  const known = tokens.map(digest);
  return (authorization) => {
    const given = digest((authorization ?? "").replace(/^(?:Bearer|Basic)\s+/i, ""));
    // All of them are compared: how long it takes tells nothing.
    if (known.filter((token) => timingSafeEqual(token, given)).length > 0) return;
    const why = authorization === undefined ? "needs a token" : "does not know that token";
    throw new MirrorError("refused", `this mirror ${why} for private repositories; it is the repository's auth_key`);
  };
}

/** One line each; empty lines and those that begin with `#` do not count. */
export function parseTokens(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
