/**
 * The `Via` of the request that is being answered, so that what is asked upstream because of it carries it on: a mirror finds
 * its own id in what comes back to it, however many others it came by. RFC 9110, section 7.6.3
 */
import { AsyncLocalStorage } from "node:async_hooks";

const incoming = new AsyncLocalStorage<string>();

/** Runs work on behalf of a request. @param via as it came */
export function onBehalfOf<T>(via: string, work: () => T): T {
  return incoming.run(via, work);
}

/** What to send. @param own this server's own entry */
export function viaWith(own: string): string {
  const before = incoming.getStore();
  return before === undefined ? own : `${before}, ${own}`;
}
