/** Headers of answers, as lists with each name before its value: Node takes such lists faster than objects. */
import type { FastifyReply } from "fastify";
import type { Mark } from "./source.ts";

/**
 * How an answer came about, and how many seconds ago what it says was known to hold.
 * @param since milliseconds since 1970; 0: files of an image have no time
 */
export function howHeaders(mark: Mark, since: number): string[] {
  const age = since === 0 ? [] : ["age", String(Math.max(0, Math.floor((Date.now() - since) / 1000)))];
  return ["x-mirror", mark, ...age];
}

export function setHeaders(reply: FastifyReply, headers: readonly string[]): void {
  for (let n = 0; n < headers.length; n += 2) void reply.header(headers[n] ?? "", headers[n + 1]);
}
