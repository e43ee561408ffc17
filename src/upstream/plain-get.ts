/**
 * One small answer, by Node itself: for questions to a mirror, where a client library would cost its start-up time, and
 * the user's proxies have no say. `fetch()` would refuse some ports.
 */
import { get, type IncomingMessage } from "node:http";

export interface PlainGetOptions {
  readonly seconds: number;
  /** An authority to trust besides those that Node knows, PEM. */
  readonly ca?: string | undefined;
  /** The one authority to trust, PEM. */
  readonly onlyCa?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PlainAnswer {
  readonly body: string;
  /** Whom the connection led to. */
  readonly address: string | undefined;
}

/** Whatever the status; use only what makes sense of it. @throws a system error, or one of the time-out */
export async function plainAnswer(
  url: string,
  { seconds, ca, onlyCa, headers = {} }: PlainGetOptions,
): Promise<PlainAnswer> {
  const options = { agent: false as const, signal: AbortSignal.timeout(seconds * 1000), headers };
  const secure = url.startsWith("https:") ? await import("node:https") : undefined;
  const { rootCertificates } = secure === undefined ? { rootCertificates: [] } : await import("node:tls");
  const trusted = onlyCa !== undefined ? [onlyCa] : ca !== undefined ? [...rootCertificates, ca] : undefined;
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => {
      const address = answer.socket.remoteAddress;
      readBody(answer).then((body) => resolve({ body, address }), reject);
    };
    const tls = { ...options, rejectUnauthorized: true, ...(trusted === undefined ? {} : { ca: trusted }) };
    const request = secure === undefined ? get(url, options, onAnswer) : secure.get(url, tls, onAnswer);
    request.once("error", reject);
  });
}

// Bytes: whoever answers may be anybody.
const longest = 4 * 1024 * 1024;

async function readBody(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > longest) {
      answer.destroy();
      throw new Error(`it answers with more than ${longest} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The body alone. @throws likewise */
export async function plainGet(url: string, options: PlainGetOptions): Promise<string> {
  return (await plainAnswer(url, options)).body;
}

/** Where this machine reaches a server that listens so. */
export function localUrl({ host, port }: { readonly host: string; readonly port: number }): string {
  if (host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (host === "::") return `http://[::1]:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
