/**
 * One try of asking one host for one thing: the request, and what arrives of it, with a time for each. What has arrived
 * stays in the `Arrival`, from which the next try goes on.
 */
import { request, type Dispatcher } from "undici";
import { MirrorError } from "../errors.ts";
import { orAborted } from "../listeners.ts";
import { redactUrl } from "../names/git-url.ts";
import type { Arrival } from "./arrival.ts";
import type { Turn } from "./patience.ts";
import { connectionError } from "./connection-error.ts";
import type { Limits } from "./limits.ts";
import { watchPace } from "./pace.ts";
import { isPage, pageError } from "./page.ts";
import type { Proxies } from "./proxies.ts";
import { redirectOf, type MayAsk } from "./redirect.ts";
import { troubleOf, upstreamTrouble } from "./trouble.ts";

export interface Head {
  readonly status: number;
  /** By lower-case name; of several with one name, the first. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Who answered in the end, after redirects. */
  readonly url: string;
}

export interface ExchangeTools {
  readonly dispatcher: Dispatcher;
  readonly limits: Limits;
  readonly proxies: Proxies;
  readonly mayAsk: MayAsk;
  readonly turn: Turn;
}

export interface Post {
  /** Its media type. */
  readonly type: string;
  readonly body: string;
}

export interface Question {
  readonly url: string;
  /** Of this URL alone: none goes with a redirect to another host. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** What is sent; absent: nothing, with GET. */
  readonly post?: Post | undefined;
  /** Bytes. */
  readonly maxSize: number;
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

// Of an answer that is no success, as much as a person would read. Bytes.
const maxErrorBody = 64 * 1024;
// What passes.
const busy = new Set([408, 425, 429, 500, 502, 503, 504]);
// By which somebody on the way says that he does not let us.
const refusals = new Set([403, 451, 511]);

/**
 * @param url whom to ask: the question's own URL, or where a redirect led
 * @returns the head of the answer; where its status is 200, all of the body has arrived
 * @throws MirrorError `upstream` with its trouble, `refused` for a redirect that is not to be trusted, `too_large`, `storage`
 */
export async function exchange(
  question: Question,
  url: string,
  arrival: Arrival,
  tools: ExchangeTools,
): Promise<{ readonly head: Head; readonly next?: URL }> {
  const { turn, limits, dispatcher } = tools;
  const host = new URL(url).host;
  const shown = redactUrl(url);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, turn.signal]);
  const firstByte = setTimeout(() => {
    stop.abort(upstreamTrouble({ kind: "silent", host }, `${host} has not answered for ${limits.firstByte} s`));
  }, limits.firstByte * 1000);
  try {
    const headers = headersFor(question, url, arrival);
    const { post } = question;
    const sent =
      post === undefined ? { headers } : { headers: { ...headers, "content-type": post.type }, body: post.body };
    const asked = request(url, { dispatcher, method: post === undefined ? "GET" : "POST", ...sent, signal });
    // While it connects, the client hears of no end.
    const answer = await orAborted(asked, signal);
    clearTimeout(firstByte);
    const head = { status: answer.statusCode, headers: flat(answer.headers), url };
    turn.sign(busy.has(head.status));
    const next = await redirectOf(head, url, tools.mayAsk);
    if (next !== undefined && post !== undefined) {
      throw new MirrorError("upstream", `${shown} redirects, and what is sent to it may be a secret`);
    }
    if (next !== undefined) {
      await readStart(answer.body, stop);
      return { head, next };
    }
    if (busy.has(head.status)) throw busyError(head, host, shown, turn);
    await receive(answer.body, head, { question, shown, host, arrival, tools, stop });
    return { head: head.status === 206 ? { ...head, status: 200, headers: arrival.headers } : head };
  } catch (error) {
    if (turn.signal.aborted) throw error;
    if (stop.signal.aborted && troubleOf(stop.signal.reason) !== undefined) throw stop.signal.reason;
    if (error instanceof MirrorError) throw error;
    throw await connectionError(error, { url, shown, host, proxies: tools.proxies });
  } finally {
    clearTimeout(firstByte);
    // Whatever is left of it is not waited for.
    stop.abort();
  }
}

function headersFor({ url, headers, secrets }: Question, to: string, arrival: Arrival): Record<string, string> {
  const isSame = new URL(url).origin === new URL(to).origin;
  const rest = arrival.rangeHeaders();
  // What is half here is not asked for on condition.
  const conditions = Object.entries(headers).filter(([name]) => !("range" in rest) || !name.startsWith("if-"));
  return {
    "accept-encoding": "identity",
    ...Object.fromEntries(conditions),
    ...(isSame ? secrets : {}),
    ...rest,
  };
}

interface Receiving {
  readonly question: Question;
  readonly shown: string;
  readonly host: string;
  readonly arrival: Arrival;
  readonly tools: ExchangeTools;
  readonly stop: AbortController;
}

/** The body of a 200 or of its rest; of any other, so much as a person would read. */
async function receive(body: Body, head: Head, receiving: Receiving): Promise<void> {
  const { question, shown, host, arrival, tools, stop } = receiving;
  if (head.status === 206 || head.status === 416) {
    if (head.status === 416 || !arrival.isRest(head.headers)) {
      await arrival.forget();
      throw upstreamTrouble({ kind: "cut", host }, `${shown} came as a part that does not fit what is here`);
    }
  } else if (head.status === 200) {
    await arrival.begin(head.headers);
  } else {
    const start = await readStart(body, stop);
    // A proxy that blocks says no with a page; who is asked for records and files has none for that.
    if (refusals.has(head.status) && isPage(start, head.headers)) throw pageError(host);
    return;
  }
  const size = Number(head.headers["content-length"] ?? 0);
  const tooLarge = () => new MirrorError("too_large", `${shown} is larger than ${question.maxSize} bytes`);
  if (arrival.size + size > question.maxSize) throw tooLarge();
  const pace = watchPace(tools.limits, size, (reason) =>
    stop.abort(upstreamTrouble({ kind: "slow", host }, `the transfer of ${shown} ${reason}`)),
  );
  try {
    for await (const chunk of body) {
      pace.add(chunk.length);
      tools.turn.sign();
      question.onBytes?.(chunk.length);
      if (arrival.size + chunk.length > question.maxSize) throw tooLarge();
      await arrival.add(chunk);
    }
  } finally {
    pace.stop();
  }
  tools.turn.rest();
  if (!arrival.isWhole) throw upstreamTrouble({ kind: "cut", host }, `the transfer of ${shown} ended too early`);
}

type Body = AsyncIterable<Buffer>;

/** Then the line is hung up. @returns its first bytes */
async function readStart(body: Body, stop: AbortController): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const late = setTimeout(() => stop.abort(), 2000);
  try {
    for await (const chunk of body) {
      if (size === 0) chunks.push(chunk);
      size += chunk.length;
      if (size > maxErrorBody) break;
    }
  } catch {
    // Its status has told enough.
  } finally {
    clearTimeout(late);
  }
  return Buffer.concat(chunks);
}

function busyError({ status, headers }: Head, host: string, shown: string, turn: Turn): MirrorError {
  const retryAfter = secondsOf(headers["retry-after"]);
  if (retryAfter !== undefined) turn.pause(retryAfter);
  const later = retryAfter === undefined ? "" : `, and wants to be left alone for ${retryAfter} s`;
  return upstreamTrouble(
    { kind: "busy", host, retryAfter },
    `upstream answered ${shown} with status ${status}${later}`,
  );
}

/** `120`, or a date. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function secondsOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()[0]]));
}
