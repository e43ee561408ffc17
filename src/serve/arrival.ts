/**
 * Where a request came from, and where it came in: by its own connection, or, where workers answer clients, as they say.
 * What they say is in headers that they take out of what clients send, and that count on their connections alone.
 */
import type { IncomingMessage } from "node:http";
import proxyAddr from "@fastify/proxy-addr";
import type { Freshness } from "./file-memory.ts";
import type { Kind } from "./traffic.ts";

export interface Arrivals {
  /** Whether the word of this address counts for who asks; `hops` is 0 for the connection itself. */
  readonly isTrustedProxy: (address: string, hops: number) => boolean;
  /** The address and port that the client connected to. */
  readonly placeOf: (request: IncomingMessage) => Endpoint;
}

interface Endpoint {
  readonly address: string | undefined;
  readonly port: number | undefined;
}

/** Said by workers: the address and the port that a client connected to. */
export const placeHeader = "x-mirror-server-place";
/** Said to workers: since when and until when, in milliseconds, which file answers requests like this, percent-encoded. */
export const fileHeader = "x-mirror-server-file";

export interface AnsweringFile extends Freshness {
  readonly path: string;
}

/** `1790000000000 Infinity tarball /mirror/hex/tarballs/jason-1.4.1.tar`, its path encoded. */
export function fileHeaderOf({ path, since, until, kind }: AnsweringFile): string {
  return `${since ?? "-"} ${until} ${kind} ${encodeURIComponent(path)}`;
}

export function readFileHeader(value: string): AnsweringFile {
  const [since = "-", until = "0", kind = "other", path = ""] = value.split(" ");
  const when = { since: since === "-" ? undefined : Number(since), until: Number(until) };
  // It is our own process that says so.
  return { path: decodeURIComponent(path), ...when, kind: kind as Kind };
}

/** @param proxies addresses and networks whose word counts */
export function arrivals(proxies: readonly string[]): Arrivals {
  return {
    isTrustedProxy: proxies.length === 0 ? () => false : proxyAddr.compile([...proxies]),
    placeOf: ({ socket }) => ({ address: socket.localAddress, port: socket.localPort }),
  };
}

/** The same where every connection is a worker's. */
export function arrivalsByWorkers(proxies: readonly string[]): Arrivals {
  const { isTrustedProxy } = arrivals(proxies);
  return {
    isTrustedProxy: (address, hops) => hops === 0 || isTrustedProxy(address, hops - 1),
    placeOf: ({ headers }) => {
      const [port, address] = String(headers[placeHeader]).split(" ");
      return { address, port: Number(port) };
    },
  };
}

export function clientOf(request: IncomingMessage, { isTrustedProxy }: Arrivals): string {
  return proxyAddr(request, isTrustedProxy);
}
