/** Who asks: the address of the connection, or what the proxies that are trusted say of it in `X-Forwarded-For`. */
import type { IncomingMessage } from "node:http";
import proxyAddr from "@fastify/proxy-addr";

export type IsTrusted = (address: string, hops: number) => boolean;

/** @param proxies addresses and networks */
export function trustIn(proxies: readonly string[]): IsTrusted {
  return proxies.length === 0 ? () => false : proxyAddr.compile([...proxies]);
}

export function clientOf(request: IncomingMessage, isTrusted: IsTrusted): string {
  return proxyAddr(request, isTrusted);
}
