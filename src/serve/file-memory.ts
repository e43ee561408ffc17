/**
 * In front of the application, and of its type: a request that was answered with a file before is answered with it from
 * memory, without routing, as long as the file is what it was (`disk/hot-files.ts`). Which file answers what, only the
 * application says, once it has allowed it; the token that it allowed it to is part of the request.
 *
 * What one poll of the system brought is answered together at the end of that turn, so that a file is looked at once for
 * all of them, and after each was made.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { isUtf8MimeType, mime } from "@fastify/send";
import { LRUCache } from "lru-cache";
import { HotFiles, type HotFile } from "../disk/hot-files.ts";
import type { Place } from "../disk/place.ts";
import { settledAfter as usuallySettledAfter } from "../disk/stamp.ts";
import { onGone } from "../listeners.ts";
import { wantedOf, type Validators, type Wanted } from "./conditional.ts";

/** A file, and what it is answered with, made once. */
export interface FileInMemory extends Validators {
  readonly file: HotFile;
  readonly whole: Answer;
  readonly unchanged: Answer;
  /** A small one as text of one byte a character, which Node sends in one piece with the headers. */
  readonly text: string | undefined;
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
  /** From now on, requests like this are answered with the file that lies there. @param url as the client sent it */
  readonly remember: (request: IncomingMessage, url: string, place: Place) => void;
  /** Counts what is sent of a file against what memory may hold, until it is sent. */
  readonly lend: (file: FileInMemory, response: ServerResponse) => void;
  /** Answers from memory what can be, and leaves the rest to `next`. */
  readonly inFrontOf: (next: RequestListener, observers: Observers) => RequestListener;
}

export interface Observers {
  /** Hears of each request that is answered from memory, before it is. */
  readonly log: RequestListener | undefined;
  /** Hears of each answer that has to wait for its client. */
  readonly unfinished: RequestListener;
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
  const paths = new LRUCache<string, string>({ maxSize: maxRequests, sizeCalculation: (_, key) => key.length });

  const descriptionOf = (file: HotFile): FileInMemory => {
    let known = described.get(file);
    if (known === undefined) described.set(file, (known = describe(file)));
    return known;
  };
  const lend = ({ file }: FileInMemory, response: ServerResponse) =>
    onGone(response, response.req.socket, files.lend(file));

  return {
    lend,
    open: async (place) => {
      const file = await files.open(place);
      return file === undefined ? undefined : descriptionOf(file);
    },
    remember: (request, url, place) => {
      const key = keyOf(request, url);
      if (isPlainRead(request) && key.length <= maxRequest) paths.set(key, place.path);
    },
    inFrontOf: (next, { log, unfinished }) => {
      const answer = ({ request, response, path }: Waiting) => {
        const file = files.recall(path);
        const description = file === undefined ? undefined : descriptionOf(file);
        const wanted = description === undefined ? undefined : wantedOf(request.headers, description);
        if (description === undefined || wanted === undefined || wanted.status > 400) {
          next(request, response);
          return;
        }
        log?.(request, response);
        send(request, response, description, wanted);
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
        const path = isPlainRead(request) ? paths.get(keyOf(request, request.url ?? "")) : undefined;
        if (path === undefined) next(request, response);
        else if (waiting.push({ request, response, path }) === 1) setImmediate(answerAll);
      };
    },
  };
}

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse & { readonly req: IncomingMessage };
  /** Of the file that answered it before. */
  readonly path: string;
}

function send({ method }: IncomingMessage, response: ServerResponse, file: FileInMemory, wanted: Wanted): void {
  const { status, headers, body } = answerOf(file, wanted);
  response.writeHead(status, headers);
  if (method === "HEAD") response.end();
  else if (status === 200 && file.text !== undefined) response.end(file.text, "latin1");
  else response.end(body);
}

/** @param wanted anything but a refusal */
export function answerOf({ file, whole, unchanged, size }: FileInMemory, wanted: Wanted): Answer {
  if (wanted.status === 304) return unchanged;
  if (wanted.status !== 206) return whole;
  const { status, start, end } = wanted;
  const body = file.bytes.subarray(start, end + 1);
  const part = ["content-length", String(body.length), "content-range", `bytes ${start}-${end}/${size}`];
  return { status, headers: [...typeOf(file), ...part, ...unchanged.headers], body };
}

function describe(file: HotFile): FileInMemory {
  const { bytes, digest } = file;
  const modified = file.modified.toUTCString();
  const etag = `"${digest}"`;
  const validators = ["etag", etag, "last-modified", modified, "accept-ranges", "bytes"];
  const headers = [...validators, ...Object.entries(headersOfFiles).flat()];
  const ofWhole = [...typeOf(file), "content-length", String(bytes.length), ...headers];
  return {
    file,
    etag,
    modified,
    size: bytes.length,
    whole: { status: 200, headers: ofWhole, body: bytes },
    unchanged: { status: 304, headers, body: undefined },
    text: bytes.length <= maxText ? bytes.toString("latin1") : undefined,
  };
}

function typeOf({ place }: HotFile): [string, string] {
  const type = mime.getType(place.path) ?? "application/octet-stream";
  return ["content-type", isUtf8MimeType(type) ? `${type}; charset=utf-8` : type];
}

function isPlainRead({ method, headers }: IncomingMessage): boolean {
  const isRead = method === "GET" || method === "HEAD";
  return isRead && headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

/** All of a request that decides which file answers it, and who may have it. */
function keyOf({ headers: { host = "", authorization = "" } }: IncomingMessage, url: string): string {
  return `${url}\n${host}\n${authorization}`;
}
