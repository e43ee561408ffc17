/**
 * What a request for a file wants, given what the file is: all of it, a part, or only to hear whether it has changed.
 * RFC 9110, sections 13 and 14, in the order of its 13.2.2. As @fastify/static answers, which serves the larger files.
 */
import type { IncomingHttpHeaders } from "node:http";
import fresh from "fresh";
import parseRange from "range-parser";

export interface Validators {
  /** Strong, with its quotation marks. */
  readonly etag: string;
  /** As `Last-Modified` has it; undefined where the tag alone tells which content it is. */
  readonly modified: string | undefined;
  /** Bytes. */
  readonly size: number;
}

export type Wanted =
  /** 304: it has not changed; 412: a condition does not hold; 416: there is no such part. */
  | { readonly status: 200 | 304 | 412 | 416 }
  /** The bytes from `start` to `end`, both included. */
  | { readonly status: 206; readonly start: number; readonly end: number };

/** @param headers with names in lower case */
export function wantedOf(headers: IncomingHttpHeaders, file: Validators): Wanted {
  // What nearly all ask for, without a look at the rest.
  if (isUnconditional(headers)) {
    const known = headers["if-none-match"];
    if (known === undefined) return { status: 200 };
    if (known === file.etag && headers["cache-control"] === undefined) return { status: 304 };
  }
  if (hasChanged(headers, file)) return { status: 412 };
  const modified = file.modified === undefined ? {} : { "last-modified": file.modified };
  if (fresh(headers, { etag: file.etag, ...modified })) return { status: 304 };
  const { range } = headers;
  if (range === undefined || !/^ *bytes=/.test(range) || !isSame(headers["if-range"], file)) return { status: 200 };
  const ranges = parseRange(file.size, range, { combine: true });
  if (typeof ranges === "number") return { status: 416 };
  const [part, ...others] = ranges;
  // Several at once would be a body of several parts, which no client of ours asks for: they get the whole.
  return part === undefined || others.length > 0 ? { status: 200 } : { status: 206, start: part.start, end: part.end };
}

/** But for the one question whether it has changed, by its tag. */
function isUnconditional(headers: IncomingHttpHeaders): boolean {
  return (
    headers.range === undefined &&
    headers["if-match"] === undefined &&
    headers["if-modified-since"] === undefined &&
    headers["if-unmodified-since"] === undefined
  );
}

/** Whether the client wants an answer only from what it has, and that is not what lies here. */
function hasChanged(headers: IncomingHttpHeaders, { etag, modified }: Validators): boolean {
  const match = headers["if-match"];
  if (match !== undefined && match !== "") {
    return match !== "*" && !match.split(",").some((each) => each.trim() === etag);
  }
  const since = Date.parse(headers["if-unmodified-since"] ?? "");
  return modified !== undefined && Date.parse(modified) > since;
}

/** Whether a part of what lies here fits to what the client has of it. */
function isSame(condition: string | string[] | undefined, { etag, modified }: Validators): boolean {
  if (condition === undefined) return true;
  if (typeof condition !== "string") return false;
  if (condition.includes('"')) return condition.trim() === etag;
  return modified !== undefined && Date.parse(modified) <= Date.parse(condition);
}
