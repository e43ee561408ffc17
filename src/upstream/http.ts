/**
 * The HTTP client for upstream: kept-alive connections, proxies from the environment, retries of what passes
 * (resets, time-outs, 429 and 5xx; a broken download is continued by range), limits on what is read. `get` follows no
 * redirects: upstream is the configured host and no other.
 */
import { createHash } from "node:crypto";
import { EnvHttpProxyAgent, interceptors, request, type Dispatcher } from "undici";
import type { Place } from "../disk/place.ts";
import { MirrorError, hasErrno } from "../errors.ts";
import { maxRedirects, redirectOf, type MayAsk } from "./redirect.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface HttpClient {
  /** @throws MirrorError `upstream` when there is no answer, `too_large` */
  readonly get: (url: string, options: GetOptions) => Promise<HttpAnswer>;
  /** Writes a file as it arrives. @throws likewise, `refused` for a redirect that is not to be trusted */
  readonly download: (url: string, file: Place, options: GetOptions) => Promise<Downloaded>;
  readonly close: () => Promise<void>;
}

export interface Downloaded {
  /** 200: the file was written. */
  readonly status: number;
  /** Of what was written, 64 hex digits. */
  readonly sha256: string;
  readonly bytes: number;
}

// Bytes.
const maxErrorBody = 64 * 1024;

/** How a transfer is watched and stopped. */
export interface Transfer {
  readonly signal?: AbortSignal | undefined;
  /** Told of each chunk's size as it arrives. */
  readonly onBytes?: (count: number) => void;
}

export interface GetOptions extends Transfer {
  readonly headers?: Record<string, string>;
  /** Bytes. */
  readonly maxSize: number;
}

export interface HttpSettings {
  readonly userAgent: string;
  readonly connections: number;
  readonly proxy: { readonly httpProxy?: string; readonly httpsProxy?: string; readonly noProxy?: string };
  /** Whether a host may be asked that a redirect names, and nobody else. */
  readonly mayAsk: MayAsk;
}

/** @throws MirrorError `config` for a proxy that cannot be used; its URL may hold a password, and is not shown */
export function createHttpClient({ userAgent, connections, proxy, mayAsk }: HttpSettings): HttpClient {
  for (const [name, url] of Object.entries({ HTTP_PROXY: proxy.httpProxy, HTTPS_PROXY: proxy.httpsProxy })) {
    if (url === undefined || (URL.canParse(url) && /^(?:https?|socks5?):/i.test(url))) continue;
    throw new MirrorError("config", `${name} names no proxy that can be used; give http://HOST:PORT`);
  }
  const agent = new EnvHttpProxyAgent({
    ...proxy,
    connections,
    connect: { timeout: 20_000 },
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
  });
  const dispatcher = agent.compose(
    interceptors.retry({
      maxRetries: 3,
      minTimeout: 300,
      maxTimeout: 5_000,
      statusCodes: [429, 500, 502, 503, 504],
      // A host that is not there, or refuses, will do so again; only what passes is worth the wait.
      errorCodes: ["ECONNRESET", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET", "EAI_AGAIN"],
      // The last answer is returned as it is, so that its status can be reported.
      throwOnError: false,
    }),
  );
  const send = <T>(url: string, options: GetOptions, consume: Consume<T>) =>
    exchange(dispatcher, { userAgent, url, options }, consume);
  return {
    get: (url, options) =>
      send(url, options, async (body, head) => ({ ...head, body: await readBody(body, head.status) })),
    download: async (url, file, options) => download({ send, mayAsk }, url, file, options),
    close: () => agent.close(),
  };
}

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}
type Consume<T> = (body: AsyncIterable<Buffer>, head: Head) => Promise<T>;
type Send = <T>(url: string, options: GetOptions, consume: Consume<T>) => Promise<T>;

/** @param consume called again from the start when a download broke that could not be continued */
async function exchange<T>(
  dispatcher: Dispatcher,
  { userAgent, url, options }: { userAgent: string; url: string; options: GetOptions },
  consume: Consume<T>,
): Promise<T> {
  const headers = { "user-agent": userAgent, ...options.headers };
  for (let tries = 1; ; tries += 1) {
    let hasBegun = false;
    try {
      const answer = await request(url, { dispatcher, headers, signal: options.signal ?? null });
      hasBegun = true;
      const head = { status: answer.statusCode, headers: flat(answer.headers) };
      return await consume(limited(answer.body, url, options), head);
    } catch (cause) {
      if (cause instanceof MirrorError) throw cause;
      if (options.signal?.aborted === true) throw new MirrorError("cancelled", `stopped while fetching ${url}`);
      // An upstream without validators, whose download is begun again.
      if (!hasBegun || tries === 3) throw cannotFetch(url, cause);
    }
  }
}

function cannotFetch(url: string, cause: unknown): MirrorError {
  const remedy = "; if its certificate is right, name its authority: NODE_EXTRA_CA_CERTS=FILE";
  const isTrust = hasErrno(cause, ...certificateErrors);
  return new MirrorError("upstream", `cannot fetch ${url}${isTrust ? remedy : ""}`, { cause });
}

// By OpenSSL's names, as Node gives them.
const certificateErrors = [
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_UNTRUSTED",
];

async function* limited(body: AsyncIterable<Buffer>, url: string, options: GetOptions): AsyncIterable<Buffer> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > options.maxSize) throw new MirrorError("too_large", `${url} is larger than ${options.maxSize} bytes`);
    options.onBytes?.(chunk.length);
    yield chunk;
  }
}

/** Whole, of a 200; of anything else so much as a person would read, and then the line is hung up. */
async function readBody(body: AsyncIterable<Buffer>, status: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (status !== 200 && size > maxErrorBody) break;
  }
  return Buffer.concat(chunks);
}

/** Redirects are followed here, as release assets need it; never from https to http. */
async function download(
  { send, mayAsk }: { readonly send: Send; readonly mayAsk: HttpSettings["mayAsk"] },
  url: string,
  file: Place,
  options: GetOptions,
): Promise<Downloaded> {
  let from = url;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const { status, headers, ...written } = await send(from, options, async (body, head) => ({
      ...head,
      ...(head.status === 200
        ? await writeBody(body, file)
        : { sha256: "", bytes: (await readBody(body, head.status)).length }),
    }));
    if (status === 200) return { status, ...written };
    const next = await redirectOf({ status, headers }, from, mayAsk);
    if (next === undefined) return { status, ...written };
    from = next.href;
  }
  throw new MirrorError("upstream", `${url} redirects more than ${maxRedirects} times`);
}

async function writeBody(body: AsyncIterable<Buffer>, file: Place): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  // Again from the start where a transfer broke.
  const handle = await file.openForWriting();
  try {
    for await (const chunk of body) {
      hash.update(chunk);
      bytes += chunk.length;
      await handle.writeFile(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { sha256: hash.digest("hex"), bytes };
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()[0]]));
}
