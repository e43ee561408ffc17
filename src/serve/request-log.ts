/** One line a request, when it is over. Neither headers nor queries are logged: both may carry credentials. */
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

/** @param log what tells which request it is */
export function logWhenOver(log: FastifyBaseLogger, { request, response, url, client }: LoggedRequest): void {
  const started = performance.now();
  const { socket } = request;
  const writtenBefore = socket.bytesWritten;
  // "close" comes once, whether the client got its answer or hung up.
  onGone(response, socket, () => {
    const place = requestPlace(url, request.headers.host);
    const level = isProbe(place.path) ? "debug" : "info";
    log[level](
      {
        method: request.method,
        ...place,
        status: response.statusCode,
        bytes: socket.bytesWritten - writtenBefore,
        ms: Math.round((performance.now() - started) * 10) / 10,
        client: client(),
        ...(response.writableFinished ? {} : { aborted: true }),
      },
      "request",
    );
  });
}
