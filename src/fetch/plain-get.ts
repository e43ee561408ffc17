/**
 * One small answer, by Node itself: for questions to a mirror, where a client library would cost its start-up time, and
 * the user's proxies have no say. `fetch()` would refuse some ports.
 */
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

export interface PlainGetOptions {
  readonly seconds: number;
  /** An authority to trust besides those that Node knows, PEM. */
  readonly ca?: string | undefined;
}

/** The body, whatever the status; use only what makes sense of it. @throws a system error, or one of the time-out */
export async function plainGet(url: string, { seconds, ca }: PlainGetOptions): Promise<string> {
  const options = { agent: false as const, signal: AbortSignal.timeout(seconds * 1000) };
  const secure = url.startsWith("https:") ? await import("node:https") : undefined;
  const { rootCertificates } = secure === undefined ? { rootCertificates: [] } : await import("node:tls");
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => void text(answer).then(resolve, reject);
    const request =
      secure === undefined
        ? get(url, options, onAnswer)
        : secure.get(url, { ...options, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) }, onAnswer);
    request.once("error", reject);
  });
}

/** Where this machine reaches a server that listens so. */
export function localUrl({ host, port }: { readonly host: string; readonly port: number }): string {
  if (host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (host === "::") return `http://[::1]:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
