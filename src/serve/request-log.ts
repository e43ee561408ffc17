/** One line a request, when it is over. Neither headers nor queries are logged: both may carry credentials. */
import { performance } from "node:perf_hooks";
import type { FastifyInstance } from "fastify";
import { onGone } from "../listeners.ts";
import { requestPlace } from "./hosts.ts";

export function logRequests(app: FastifyInstance): void {
  app.addHook("onRequest", (request, reply, done) => {
    const started = performance.now();
    const { socket } = request.raw;
    const writtenBefore = socket.bytesWritten;
    // "close" comes once, whether the client got its answer or hung up.
    onGone(reply.raw, socket, () => {
      request.log.info(
        {
          method: request.method,
          ...requestPlace(request.originalUrl, request.headers.host),
          status: reply.raw.statusCode,
          bytes: socket.bytesWritten - writtenBefore,
          ms: Math.round((performance.now() - started) * 10) / 10,
          client: request.ip,
          ...(reply.raw.writableFinished ? {} : { aborted: true }),
        },
        "request",
      );
    });
    done();
  });
}
