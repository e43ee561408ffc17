/** What work has to tell, as lines of a server's log. */
import type { Logger } from "pino";
import type { Item } from "../names/item.ts";
import { silentReporter, type Reporter } from "../reporter.ts";

export function loggingReporter(logger: Logger): Reporter {
  const of = (item: Item | undefined) => (item === undefined ? {} : { item });
  return {
    ...silentReporter,
    note: (text, item) => logger.info(of(item), text),
    warn: (text, item) => logger.warn(of(item), text),
  };
}
