/**
 * An answer of upstream's that is passed on as it comes: one try, since half of it may be with a client by then. Redirects
 * are followed where they may be, and nothing of a client goes upstream but what is named here.
 */
import type { Readable } from "node:stream";
import { request, type Dispatcher } from "undici";
import { MirrorError } from "../errors.ts";
import { orAborted } from "../listeners.ts";
import { redactUrl } from "../names/git-url.ts";
import { connectionError } from "./connection-error.ts";
import type { Limits } from "./limits.ts";
import { watchPace } from "./pace.ts";
import type { Proxies } from "./proxies.ts";
import { maxRedirects, redirectOf, type MayAsk } from "./redirect.ts";
import { upstreamTrouble } from "./trouble.ts";

export interface PassageTools {
  readonly dispatcher: Dispatcher;
  readonly limits: Limits;
  readonly proxies: Proxies;
  readonly mayAsk: MayAsk;
  /** @throws MirrorError for an address that is not connected to */
  readonly requireOpen: (url: string) => void;
}

export interface PassageOptions {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: () => Readable | Buffer;
  readonly signal: AbortSignal;
}

export interface Passage {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Who answered in the end, after redirects. */
  readonly url: string;
  /** Ends with an error where it comes too slowly, or breaks. To be read, or destroyed. */
  readonly body: Readable;
}

/** @throws MirrorError `upstream` with its trouble, `refused` for a redirect that is not to be trusted */
export async function passage(url: string, options: PassageOptions, tools: PassageTools): Promise<Passage> {
  let at = url;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    tools.requireOpen(at);
    const answer = await askOnce(at, options, tools);
    const next = await redirectOf(answer, at, tools.mayAsk).catch((error: unknown) => {
      answer.body.destroy();
      throw error;
    });
    if (next === undefined) return answer;
    answer.body.destroy();
    at = next.href;
  }
  throw new MirrorError("upstream", `${redactUrl(url)} redirects more than ${maxRedirects} times`);
}

async function askOnce(url: string, options: PassageOptions, tools: PassageTools): Promise<Passage> {
  const { dispatcher, limits, proxies } = tools;
  const { method, headers, body } = options;
  const { host } = new URL(url);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const late = setTimeout(() => {
    stop.abort(upstreamTrouble({ kind: "silent", host }, `${host} has not answered for ${limits.firstByte} s`));
  }, limits.firstByte * 1000);
  try {
    const sent = body === undefined ? {} : { body: body() };
    const asked = request(url, {
      dispatcher,
      method,
      headers: { ...headers, "accept-encoding": "identity" },
      ...sent,
      signal,
    });
    const answer = await orAborted(asked, signal);
    const shown = redactUrl(url);
    const size = Number(answer.headers["content-length"] ?? 0);
    const pace = watchPace(limits, size, (reason) =>
      answer.body.destroy(upstreamTrouble({ kind: "slow", host }, `the transfer of ${shown} ${reason}`)),
    );
    answer.body.on("data", (chunk: Buffer) => pace.add(chunk.length));
    answer.body.pause();
    answer.body.once("close", pace.stop);
    // Whoever reads it sees its errors; before that there is nobody to see them.
    answer.body.on("error", () => undefined);
    const flat = Object.entries(answer.headers).map(([name, value]) => [name, [value].flat()[0]] as const);
    return { status: answer.statusCode, headers: Object.fromEntries(flat), url, body: answer.body };
  } catch (error) {
    if (options.signal.aborted) throw new MirrorError("cancelled", "stopped", { cause: error });
    if (stop.signal.aborted) throw stop.signal.reason;
    if (error instanceof MirrorError) throw error;
    throw await connectionError(error, { url, shown: redactUrl(url), host, proxies });
  } finally {
    clearTimeout(late);
  }
}
