/**
 * The connections to upstream: kept alive, through the proxies of the environment, with the authorities that are trusted. Times
 * for what is sent over them are exchange.ts's own, which know whether something moves.
 */
import { EnvHttpProxyAgent, Pool, type Dispatcher } from "undici";
import { guardedLookup, type MayConnect } from "./guarded-lookup.ts";
import type { Proxies } from "./proxies.ts";

export interface DispatcherSettings {
  /** To one host at once. */
  readonly connections: number;
  readonly proxies: Proxies;
  /** PEM; undefined: those that Node trusts. */
  readonly authorities: readonly string[] | undefined;
  /** undefined: any. A proxy connects by itself. */
  readonly mayConnect: MayConnect | undefined;
}

// A connection, and a tunnel through a proxy, have to stand by then.
const connectMilliseconds = 10_000;

export function createDispatcher({
  connections,
  proxies,
  authorities,
  mayConnect,
}: DispatcherSettings): EnvHttpProxyAgent {
  const tls = { timeout: connectMilliseconds, ...(authorities === undefined ? {} : { ca: [...authorities] }) };
  return new EnvHttpProxyAgent({
    ...proxies,
    connections,
    connect: mayConnect === undefined ? tls : { ...tls, lookup: guardedLookup(mayConnect) },
    requestTls: tls,
    proxyTls: tls,
    // Only https goes by a tunnel, as curl and git have it: many proxies allow no other.
    proxyTunnel: false,
    clientFactory: (origin: URL, options: object) => new TunnelPool(origin, options),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** What a proxy does instead of giving a tunnel: it hangs up, or says nothing. */
class NoTunnel extends Error {
  readonly code = "ERR_NO_TUNNEL";
}

/**
 * The pool would take a tunnel that breaks for a connection that broke, and ask for another at once, thousands of times a
 * second and for ever; and one that never comes would keep its place.
 */
class TunnelPool extends Pool {
  override connect(options: Options): Promise<Dispatcher.ConnectData>;
  override connect(options: Options, callback: WhenConnected): void;
  override connect(options: Options, callback?: WhenConnected): Promise<Dispatcher.ConnectData> | void {
    if (callback !== undefined) return super.connect(options, callback);
    const signal = AbortSignal.timeout(connectMilliseconds);
    return super.connect({ ...options, signal }).catch((cause: unknown) => {
      throw new NoTunnel("no tunnel comes of it", { cause });
    });
  }
}

type Options = Parameters<Pool["connect"]>[0];
type WhenConnected = (error: Error | null, data: Dispatcher.ConnectData) => void;
