/** What listens: memory first, with the same line in the log, then whatever answers the rest. */
import type { IncomingMessage, RequestListener } from "node:http";
import type { Logger } from "pino";
import { clientOf, type Arrivals } from "./arrival.ts";
import type { FileMemory, FromMemory } from "./file-memory.ts";
import { logOver, whenOver } from "./request-log.ts";
import type { Traffic } from "./traffic.ts";

export interface FrontTools {
  readonly memory: FileMemory;
  readonly logger: Logger;
  readonly arrivals: Arrivals;
  readonly traffic: Pick<Traffic, "noteFromMemory">;
}

export function inFrontOf(
  next: RequestListener,
  { memory, logger, arrivals, traffic }: FrontTools,
): (unfinished: RequestListener) => RequestListener {
  const log: RequestListener = (request, response) => {
    const client = () => clientOf(request, arrivals);
    whenOver({ request, response }, (over) =>
      logOver(logger, { request, response, url: request.url ?? "/", client }, over),
    );
  };
  const observed = logger.isLevelEnabled("info") ? log : undefined;
  const answered = (request: IncomingMessage, { kind, status, bytes, ms }: FromMemory) => {
    const { method = "GET", url = "/", headers } = request;
    const { host } = headers;
    traffic.noteFromMemory({ kind, outcome: "hit", at: Date.now(), method, url, host, status, bytes, ms });
  };
  return (unfinished) => {
    const rest: RequestListener = (request, response) => {
      unfinished(request, response);
      next(request, response);
    };
    return memory.inFrontOf(rest, { log: observed, answered, unfinished });
  };
}
