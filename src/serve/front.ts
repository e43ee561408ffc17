/** What listens: memory first, with the same line in the log, then whatever answers the rest. */
import type { RequestListener } from "node:http";
import type { Logger } from "pino";
import { clientOf, type Arrivals } from "./arrival.ts";
import type { FileMemory } from "./file-memory.ts";
import { logWhenOver } from "./request-log.ts";

export function inFrontOf(
  next: RequestListener,
  { memory, logger, arrivals }: { readonly memory: FileMemory; readonly logger: Logger; readonly arrivals: Arrivals },
): (unfinished: RequestListener) => RequestListener {
  const log: RequestListener = (request, response) => {
    const client = () => clientOf(request, arrivals);
    logWhenOver(logger, { request, response, url: request.url ?? "/", client });
  };
  const observed = logger.isLevelEnabled("info") ? log : undefined;
  return (unfinished) => {
    const rest: RequestListener = (request, response) => {
      unfinished(request, response);
      next(request, response);
    };
    return memory.inFrontOf(rest, { log: observed, unfinished });
  };
}
