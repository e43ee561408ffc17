/**
 * The HTTP client for upstream: kept-alive connections, proxies from the environment, retries of what passes
 * (resets, time-outs, 429 and 5xx; a broken download is continued by range), limits on what is read. Redirects are
 * not followed: upstream is the configured host and no other.
 */
import { EnvHttpProxyAgent, interceptors, request, type Dispatcher } from "undici";
import { MirrorError } from "../errors.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface HttpClient {
  /** @throws MirrorError `upstream` when there is no answer, `too_large` */
  readonly get: (url: string, options: GetOptions) => Promise<HttpAnswer>;
  readonly close: () => Promise<void>;
}

export interface GetOptions {
  readonly headers?: Record<string, string>;
  /** Bytes. */
  readonly maxSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of each chunk's size as it arrives. */
  readonly onBytes?: (count: number) => void;
}

export interface HttpSettings {
  readonly userAgent: string;
  readonly connections: number;
  readonly proxy: { readonly httpProxy?: string; readonly httpsProxy?: string; readonly noProxy?: string };
}

export function createHttpClient({ userAgent, connections, proxy }: HttpSettings): HttpClient {
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
  return {
    get: (url, options) => get(dispatcher, userAgent, url, options),
    close: () => agent.close(),
  };
}

async function get(dispatcher: Dispatcher, userAgent: string, url: string, options: GetOptions): Promise<HttpAnswer> {
  const headers = { "user-agent": userAgent, ...options.headers };
  for (let tries = 1; ; tries += 1) {
    let hasBegun = false;
    try {
      const answer = await request(url, { dispatcher, headers, signal: options.signal ?? null });
      hasBegun = true;
      const body = await readBody(answer.body, url, options);
      return { status: answer.statusCode, headers: flat(answer.headers), body };
    } catch (cause) {
      if (cause instanceof MirrorError) throw cause;
      if (options.signal?.aborted === true) throw new MirrorError("cancelled", `stopped while fetching ${url}`);
      // A broken download that could not be continued (an upstream without validators) is begun again.
      if (!hasBegun || tries === 3) throw new MirrorError("upstream", `cannot fetch ${url}`, { cause });
    }
  }
}

async function readBody(body: AsyncIterable<Buffer>, url: string, options: GetOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > options.maxSize) throw new MirrorError("too_large", `${url} is larger than ${options.maxSize} bytes`);
    options.onBytes?.(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()[0]]));
}
