/** Whether somebody on the way answered with a page of theirs: a portal that wants a login, a proxy that blocks. */
import { upstreamTrouble } from "./trouble.ts";

/** @param start the first bytes of the body @param headers as they came, by lower-case name */
export function isPage(start: Uint8Array, headers: Readonly<Record<string, string | undefined>>): boolean {
  if (/^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(headers["content-type"] ?? "")) return true;
  // What has no type, or the one of any bytes, may be one all the same.
  return /^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b/i.test(
    Buffer.from(start.subarray(0, 256)).toString("latin1"),
  );
}

/** A URL that asks for a page gets one. */
export function asksForPage(url: string): boolean {
  return /\.x?html?$/i.test(new URL(url).pathname);
}

/** @param remedy what else to do, as the end of the sentence */
export function pageError(host: string, remedy = "") {
  return upstreamTrouble(
    { kind: "page", host },
    `a proxy or a portal answered, not ${host}: it sent a page, which a browser would show${remedy}`,
  );
}
