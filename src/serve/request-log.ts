/** What a request came to, when it is over: a line in the log. Neither headers nor queries are logged: both may carry credentials. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { performance } from "node:perf_hooks";
import type { FastifyBaseLogger } from "fastify";
import { onGone } from "../listeners.ts";
import { requestPlace } from "./hosts.ts";

export interface LoggedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** As the client sent it. */
  readonly url: string;
  /** Whose request it is. */
  readonly client: () => string;
}

// Asked every few seconds, by those who hear of it themselves when something is wrong.
const isProbe = (path: string) => path === "/health" || path.startsWith("/health/");

/** A request that is over. */
export interface Over {
  readonly status: number;
  /** With the headers. */
  readonly bytes: number;
  readonly ms: number;
  /** Whether the client has the whole answer. */
  readonly isWhole: boolean;
}

/** "close" comes once, whether the client got its answer or hung up. */
export function whenOver(
  { request, response }: Pick<LoggedRequest, "request" | "response">,
  tell: (over: Over) => void,
): void {
  const started = performance.now();
  const { socket } = request;
  // Of a request that came by no connection nothing is known.
  const written = () => (socket as Partial<typeof socket>).bytesWritten ?? 0;
  const writtenBefore = written();
  onGone(response, socket, () => {
    tell({
      status: response.statusCode,
      bytes: written() - writtenBefore,
      ms: performance.now() - started,
      isWhole: response.writableFinished,
    });
  });
}

/** @param log what tells which request it is */
export function logOver(log: FastifyBaseLogger, { request, url, client }: LoggedRequest, over: Over): void {
  const place = requestPlace(url, request.headers.host);
  const level = isProbe(place.path) ? "debug" : "info";
  log[level](
    {
      method: request.method,
      ...place,
      status: over.status,
      bytes: over.bytes,
      ms: Math.round(over.ms * 10) / 10,
      client: client(),
      ...(over.isWhole ? {} : { aborted: true }),
    },
    "request",
  );
}
