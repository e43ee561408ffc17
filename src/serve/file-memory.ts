/**
 * In front of the application, and of its type: a request that was answered with a file before is answered with it from
 * memory, without routing, as long as the file is what it was (`disk/hot-files.ts`). Which file answers what, only the
 * application says, once it has allowed it; the token that it allowed it to is part of the request.
 *
 * What one poll of the system brought is answered together at the end of that turn, so that a file is looked at once for
 * all of them, and after each was made.
 *
 * What is signed has no date: two views of one package may follow each other within a second, and only the tag tells one
 * from the other (`names`, `versions`, records, policies).
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { isUtf8MimeType, mime } from "@fastify/send";
import { LRUCache } from "lru-cache";
import { HotFiles, digestOf, type HotFile } from "../disk/hot-files.ts";
import type { Place } from "../disk/place.ts";
import { settledAfter as usuallySettledAfter } from "../disk/stamp.ts";
import { onGone } from "../listeners.ts";
import { wantedOf, type Validators, type Wanted } from "./conditional.ts";
import { howHeaders } from "./headers.ts";
import type { Kind } from "./traffic.ts";

/** What is answered with it, made once. */
export interface Described extends Validators {
  readonly bytes: Buffer;
  /** Headers that go with what is sent of it, not with the word that it is the same. */
  readonly type: readonly string[];
  readonly whole: Answer;
  readonly unchanged: Answer;
}

/** A file, likewise. */
export interface FileInMemory extends Described {
  readonly file: HotFile;
  /** A small one as text of one byte a character, which Node sends in one piece with the headers. */
  readonly text: string | undefined;
}

/** How long an answer holds. */
export interface Freshness {
  /** When it was last known to hold; undefined: when the file was written. Milliseconds since 1970. */
  readonly since?: number | undefined;
  /** Until when it is given to others without being looked up again. Likewise. */
  readonly until: number;
  /** What it is, for who counts. */
  readonly kind: Kind;
}

export interface Answer {
  readonly status: number;
  /** Each name before its value: Node takes such lists faster than objects. */
  readonly headers: string[];
  /** undefined: none, as to a question whether it has changed. */
  readonly body: Buffer | undefined;
}

export interface FileMemory {
  /** The file that lies there; undefined when it is not for memory. @throws MirrorError `busy`, `storage` */
  readonly open: (place: Place) => Promise<FileInMemory | undefined>;
  /** For as long as it is fresh, requests like this are answered with the file that lies there. @param url as the client sent it */
  readonly remember: (request: IncomingMessage, url: string, place: Place, freshness: Freshness) => void;
  /** Counts what is sent of a file against what memory may hold, until it is sent. */
  readonly lend: (file: FileInMemory, response: ServerResponse) => void;
  /** Answers from memory what can be, and leaves the rest to `next`. */
  readonly inFrontOf: (next: RequestListener, observers: Observers) => RequestListener;
}

export interface Observers {
  /** Hears of each request that is answered from memory, before it is. */
  readonly log: RequestListener | undefined;
  /** Hears of each, when it was. */
  readonly answered: (request: IncomingMessage, answer: FromMemory) => void;
  /** Hears of each answer that has to wait for its client. */
  readonly unfinished: RequestListener;
}

export interface FromMemory {
  readonly kind: Kind;
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
  /** Since it came. */
  readonly ms: number;
}

/** Records change at any sync; tarballs have validators, so asking again is cheap. */
export const headersOfFiles = { "cache-control": "no-cache", "x-content-type-options": "nosniff" };

// Bytes: nearly all tarballs of hex.pm are smaller, and every record.
const maxFile = 2 * 1024 * 1024;
const maxTotal = 24 * 1024 * 1024;
const maxLoose = 12 * 1024 * 1024;
// Those that are kept a second time, as text.
const maxText = 16 * 1024;
// Characters of what is remembered of requests: of one, and of all.
const maxRequest = 1024;
const maxRequests = 2 * 1024 * 1024;

/** @param settledAfter see `HotFilesOptions` */
export function createFileMemory({ settledAfter = usuallySettledAfter } = {}): FileMemory {
  const files = new HotFiles({ maxFile, maxTotal, maxLoose, settledAfter });
  const described = new WeakMap<HotFile, FileInMemory>();
  const known = new LRUCache<string, Known>({ maxSize: maxRequests, sizeCalculation: (_, key) => key.length });

  const descriptionOf = (file: HotFile): FileInMemory => {
    let description = described.get(file);
    if (description === undefined) described.set(file, (description = describeFile(file)));
    return description;
  };
  const lend = ({ file }: FileInMemory, response: ServerResponse) =>
    onGone(response, response.req.socket, files.lend(file));

  return {
    lend,
    open: async (place) => {
      const file = await files.open(place);
      return file === undefined ? undefined : descriptionOf(file);
    },
    remember: (request, url, { path }, freshness) => {
      const key = keyOf(request, url);
      if (isPlainRead(request) && key.length <= maxRequest) known.set(key, { path, ...freshness });
    },
    inFrontOf: (next, { log, unfinished, answered }) => {
      const answer = ({ request, response, known: { path, since, kind }, came }: Waiting) => {
        const file = files.recall(path);
        const description = file === undefined ? undefined : descriptionOf(file);
        const wanted = description === undefined ? undefined : wantedOf(request.headers, description);
        if (description === undefined || wanted === undefined || wanted.status > 400) {
          next(request, response);
          return;
        }
        log?.(request, response);
        const how = howHeaders("hit", since ?? description.file.modified.getTime());
        const bytes = send(request, response, description, { wanted, how });
        answered(request, { kind, status: wanted.status, bytes, ms: performance.now() - came });
        // Most are with the system by now.
        if (response.writableFinished) return;
        unfinished(request, response);
        lend(description, response);
      };
      const waiting: Waiting[] = [];
      const answerAll = () => {
        for (const each of waiting.splice(0)) answer(each);
      };
      return (request, response) => {
        const found = isPlainRead(request) ? known.get(keyOf(request, request.url ?? "")) : undefined;
        if (found === undefined || found.until < Date.now()) next(request, response);
        else if (waiting.push({ request, response, known: found, came: performance.now() }) === 1)
          setImmediate(answerAll);
      };
    },
  };
}

interface Known extends Freshness {
  /** Of the file that answered it before. */
  readonly path: string;
}

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse & { readonly req: IncomingMessage };
  readonly known: Known;
  readonly came: number;
}

interface Sending {
  readonly wanted: Wanted;
  readonly how: readonly string[];
}

/** @returns bytes of the body */
function send({ method }: IncomingMessage, response: ServerResponse, file: FileInMemory, sending: Sending): number {
  const { wanted, how } = sending;
  const { status, headers, body } = answerOf(file, wanted);
  response.writeHead(status, [...headers, ...how]);
  if (method === "HEAD") {
    response.end();
    return 0;
  }
  if (status === 200 && file.text !== undefined) response.end(file.text, "latin1");
  else response.end(body);
  return body?.length ?? 0;
}

/** @param wanted anything but a refusal */
export function answerOf({ bytes, type, whole, unchanged, size }: Described, wanted: Wanted): Answer {
  if (wanted.status === 304) return unchanged;
  if (wanted.status !== 206) return whole;
  const { status, start, end } = wanted;
  const body = bytes.subarray(start, end + 1);
  const part = ["content-length", String(body.length), "content-range", `bytes ${start}-${end}/${size}`];
  return { status, headers: [...type, ...part, ...unchanged.headers], body };
}

function describeFile(file: HotFile): FileInMemory {
  const { bytes, digest, place, modified } = file;
  const text = bytes.length <= maxText ? bytes.toString("latin1") : undefined;
  return { ...describe({ path: place.path, bytes, digest, modified }), file, text };
}

/** Content that is in no memory: too large, or kept nowhere. @param path by its end its type is told */
export function describeBytes(path: string, bytes: Buffer): Described {
  return describe({ path, bytes, digest: digestOf(bytes), modified: undefined });
}

interface Content {
  readonly path: string;
  readonly bytes: Buffer;
  readonly digest: string;
  readonly modified: Date | undefined;
}

function describe({ path, bytes, digest, modified: date }: Content): Described {
  const modified = isSigned(path) ? undefined : date?.toUTCString();
  const etag = `"${digest}"`;
  const dated = modified === undefined ? [] : ["last-modified", modified];
  const headers = ["etag", etag, ...dated, "accept-ranges", "bytes", ...Object.entries(headersOfFiles).flat()];
  const type = typeOf(path);
  return {
    bytes,
    type,
    etag,
    modified,
    size: bytes.length,
    whole: { status: 200, headers: [...type, "content-length", String(bytes.length), ...headers], body: bytes },
    unchanged: { status: 304, headers, body: undefined },
  };
}

/** Whether a file is one of those that a registry signs: by where it lies. */
export function isSigned(path: string): boolean {
  return /\/(?:names|versions|packages\/\w+|policies\/[^/]+)$/.test(path);
}

function typeOf(path: string): string[] {
  const type = mime.getType(path) ?? "application/octet-stream";
  const policy = isActive(type) ? ["content-security-policy", sandbox] : [];
  return ["content-type", isUtf8MimeType(type) ? `${type}; charset=utf-8` : type, ...policy];
}

/** What others wrote and a browser would run has no part in the mirror's own pages. */
const sandbox = "sandbox; default-src 'none'";

function isActive(type: string): boolean {
  return /^(?:text\/html|application\/pdf|.*\bxml)$/.test(type);
}

/** Of a file that is too large for memory. */
export function policyOf(path: string): Readonly<Record<string, string>> {
  return isActive(mime.getType(path) ?? "") ? { "content-security-policy": sandbox } : {};
}

function isPlainRead({ method, headers }: IncomingMessage): boolean {
  const isRead = method === "GET" || method === "HEAD";
  return isRead && headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

/** All of a request that decides which file answers it, and who may have it. */
function keyOf({ headers: { host = "", authorization = "" } }: IncomingMessage, url: string): string {
  return `${url}\n${host}\n${authorization}`;
}
