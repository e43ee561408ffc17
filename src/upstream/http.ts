/**
 * The HTTP client for upstream: kept-alive connections, proxies and authorities from the environment, the one policy of
 * asking (patience.ts), redirects, encodings undone. What an answer is worth is told by who asked for it, within the try: what
 * arrived damaged is asked for again like any other hiccup.
 */
import { createReadStream } from "node:fs";
import { isIP } from "node:net";
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { lazyBy } from "../lazy.ts";
import { redactUrl } from "../names/git-url.ts";
import { Arrival, FileSink, MemorySink } from "./arrival.ts";
import type { Patience } from "./patience.ts";
import { decode, decodersFor } from "./decoding.ts";
import { createDispatcher } from "./dispatcher.ts";
import { exchange, type Head, type Post, type Question } from "./exchange.ts";
import { passage, type Passage, type PassageOptions } from "./passage.ts";
import type { MayConnect } from "./guarded-lookup.ts";
import { asksForPage, isPage, pageError } from "./page.ts";
import { proxyFor, requireProxies, type Proxies } from "./proxies.ts";
import { hostOf, maxRedirects, privateHost, type MayAsk } from "./redirect.ts";
import { troubleOf } from "./trouble.ts";

export interface HttpAnswer extends Head {
  /** Of a 200; else empty. */
  readonly body: Buffer;
  /** Whether it looks like a page, and was not asked for as one: then it is from somebody on the way. */
  readonly isPage: boolean;
}

export interface HttpClient {
  /**
   * @param read makes of the answer what it was asked for; what it throws as `integrity` is damage, and asked for once more
   * @throws MirrorError `upstream`, `refused`, `too_large`, and what `read` throws
   */
  readonly get: <T>(url: string, options: GetOptions, read: (answer: HttpAnswer) => T | Promise<T>) => Promise<T>;
  /** Writes a file as it arrives. @param check likewise @throws likewise */
  readonly download: (
    url: string,
    file: Place,
    options: GetOptions,
    check: (downloaded: Downloaded) => void,
  ) => Promise<Downloaded>;
  /** Passes on what comes, without another try. @throws likewise */
  readonly pass: (url: string, options: PassageOptions) => Promise<Passage>;
  readonly close: () => Promise<void>;
}

export interface Downloaded {
  /** 200: the file was written. */
  readonly status: number;
  /** Of what was written, 64 hex digits. */
  readonly sha256: string;
  readonly bytes: number;
  /** As of `HttpAnswer`. */
  readonly isPage: boolean;
}

/** How a transfer is watched and stopped. */
export interface Transfer {
  readonly signal?: AbortSignal | undefined;
  /** Told of each chunk's size as it arrives. */
  readonly onBytes?: (count: number) => void;
}

export interface GetOptions extends Transfer {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `Authorization`, to this very host and no other. */
  readonly token?: string | undefined;
  /** Whether none is sent that the settings have. */
  readonly isAnonymous?: boolean;
  /** Sent as they are, to this very host and no other. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Sent with POST, to this very URL and no other; absent: GET. */
  readonly post?: Post;
  /** Bytes. */
  readonly maxSize: number;
  /** Whether what is asked for is gzip by itself. */
  readonly isGzip?: boolean;
}

export interface HttpSettings {
  readonly userAgent: string;
  /** Sent with everything, redirects included. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
  /** To one host at once. */
  readonly connections: number;
  readonly proxies: Proxies;
  /** What is trusted, PEM; undefined: what Node trusts. */
  readonly authorities?: readonly string[] | undefined;
  /** Whether a host may be asked that a redirect names, and nobody else. */
  readonly mayAsk: MayAsk;
  readonly patience: Patience;
  /** Whether an address may be connected to, where no proxy does that. */
  readonly mayConnect?: MayConnect | undefined;
  /** What to send as `Authorization` where the caller says nothing. */
  readonly tokenFor?: (url: string) => string | undefined;
}

/** @throws MirrorError `config` for a proxy that cannot be used */
export function createHttpClient(settings: HttpSettings): HttpClient {
  const {
    userAgent,
    headers: ownHeaders = () => ({}),
    connections,
    proxies,
    authorities,
    mayAsk,
    patience,
    tokenFor,
  } = settings;
  requireProxies(proxies);
  const agent = createDispatcher({ connections, proxies, authorities, mayConnect: settings.mayConnect });
  const { mayConnect } = settings;
  /** An address needs no look, so it is looked at here. @throws MirrorError `refused` */
  const requireOpen = (url: string) => {
    const host = hostOf(url) ?? "";
    const isRefused = mayConnect !== undefined && isIP(host) !== 0 && !mayConnect(host, host);
    if (isRefused && proxyFor(url, proxies) === undefined) throw privateHost(host);
  };
  const slots = lazyBy((_host: string) => pLimit(connections));

  /** Asks one host, and is told where it redirects to, or what it answered. */
  const askHost = async <T>(question: Question, url: string, { arrival, finish, damagedTries }: Asked<T>) => {
    const { host } = new URL(url);
    const { limits } = patience;
    return patience.ask(host, { signal: question.signal, tries: limits.tries, damagedTries }, async (turn) =>
      slots(host)(async () => {
        turn.signal.throwIfAborted();
        requireOpen(url);
        turn.begin();
        try {
          const { head, next } = await exchange(question, url, arrival, {
            dispatcher: agent,
            limits,
            proxies,
            mayAsk,
            turn,
          });
          turn.rest();
          return next === undefined ? { result: await finish(head) } : { next };
        } catch (error) {
          // What is whole and not right has to come again from its beginning.
          if (isDamage(error)) await arrival.forget();
          throw error;
        }
      }),
    );
  };
  /** Along redirects, each host by its own right. */
  const follow = async <T>(question: Question, asked: Asked<T>): Promise<T> => {
    let url = question.url;
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      try {
        // What is damaged where a redirect led is asked for where it began.
        const damagedTries = redirects === 0 ? asked.damagedTries : 1;
        const answered = await askHost(question, url, { ...asked, damagedTries });
        if (answered.next === undefined) return answered.result;
        url = answered.next.href;
      } catch (error) {
        if (redirects === 0 || asked.damagedTries === 1 || !isDamage(error)) throw error;
        return follow(question, { ...asked, damagedTries: 1 });
      }
    }
    throw new MirrorError("upstream", `${redactUrl(question.url)} redirects more than ${maxRedirects} times`);
  };
  const ask = async <T>(
    url: string,
    options: GetOptions,
    arrival: Arrival,
    finish: (head: Head) => Promise<T>,
  ): Promise<T> => {
    const token = options.token ?? (options.isAnonymous === true ? undefined : tokenFor?.(url));
    const question: Question = {
      url,
      headers: { "user-agent": userAgent, ...ownHeaders(), ...options.headers },
      secrets: { ...(token === undefined ? {} : { authorization: token }), ...options.secrets },
      post: options.post,
      maxSize: options.maxSize,
      onBytes: options.onBytes,
      signal: options.signal,
    };
    return follow(question, { arrival, finish, damagedTries: 2 });
  };
  return {
    get: async (url, options, read) => {
      const sink = new MemorySink();
      return ask(url, options, new Arrival(sink), async (head) => {
        const isWhole = head.status === 200;
        const body = isWhole ? await plainBody(sink.bytes(), head, options) : Buffer.alloc(0);
        const looksLikePage = isWhole && !asksForPage(url) && isPage(body, head.headers);
        return orPage(url, looksLikePage, async () => read({ ...head, body, isPage: looksLikePage }));
      });
    },
    download: async (url, file, options, check) => {
      const handle = await file.openForWriting();
      const sink = new FileSink(handle);
      try {
        return await ask(url, options, new Arrival(sink), async (head) => {
          if (head.status !== 200) return checked(check, { status: head.status, sha256: "", bytes: 0, isPage: false });
          await handle.sync();
          return plainFile({ file, sink, head, options }, async (kept) => {
            const looksLikePage = !asksForPage(url) && isPage(kept.start, head.headers);
            const downloaded = { status: 200, sha256: kept.sha256(), bytes: kept.bytes, isPage: looksLikePage };
            return orPage(url, looksLikePage, async () => checked(check, downloaded));
          });
        });
      } finally {
        await handle.close();
      }
    },
    pass: async (url, options) => {
      const headers = { "user-agent": userAgent, ...ownHeaders(), ...options.headers };
      const tools = { dispatcher: agent, limits: patience.limits, proxies, mayAsk, requireOpen };
      return passage(url, { ...options, headers }, tools);
    },
    // Nothing that connects, or hangs in a proxy, is waited for.
    close: async () => agent.destroy(),
  };
}

interface Asked<T> {
  readonly arrival: Arrival;
  /** What the answer is worth. */
  readonly finish: (head: Head) => Promise<T>;
  readonly damagedTries: number;
}

function checked(check: (downloaded: Downloaded) => void, downloaded: Downloaded): Downloaded {
  check(downloaded);
  return downloaded;
}

function isDamage(error: unknown): boolean {
  return (error instanceof MirrorError && error.code === "integrity") || troubleOf(error)?.kind === "page";
}

/** What is damaged and looks like a page is nobody's damage: somebody on the way answered. */
async function orPage<T>(url: string, looksLikePage: boolean, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (looksLikePage && isDamage(error) && troubleOf(error)?.kind !== "page") throw pageError(new URL(url).host);
    throw error;
  }
}

async function plainBody(raw: Buffer, { headers }: Head, options: GetOptions): Promise<Buffer> {
  const decoders = decodersFor(headers["content-encoding"]);
  if (decoders.length === 0) return raw;
  const sink = new MemorySink();
  const { maxSize, isGzip = false } = options;
  const isEncoded = await decode({ bytes: [raw], decoders, maxSize, isGzip }, sink);
  return isEncoded ? sink.bytes() : raw;
}

interface Arrived {
  readonly file: Place;
  /** What was written to it, as it came. */
  readonly sink: FileSink;
  readonly head: Head;
  readonly options: GetOptions;
}

/** @param use is given what the file will hold, and decides whether it may */
async function plainFile<T>({ file, sink, head, options }: Arrived, use: (kept: FileSink) => Promise<T>): Promise<T> {
  const decoders = decodersFor(head.headers["content-encoding"]);
  if (decoders.length === 0) return use(sink);
  const beside = file.temporary();
  const handle = await beside.openForWriting();
  try {
    const plain = new FileSink(handle);
    const { maxSize, isGzip = false } = options;
    const bytes = createReadStream(file.verifiedPath()) as AsyncIterable<Buffer>;
    const isEncoded = await decode({ bytes, decoders, maxSize, isGzip }, plain);
    await handle.sync();
    const result = await use(isEncoded ? plain : sink);
    if (isEncoded) await beside.moveTo(file);
    return result;
  } finally {
    await handle.close();
    await beside.remove();
  }
}
