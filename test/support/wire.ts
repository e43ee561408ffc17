/** One request over a real connection, with every header that came back: `fetch` hides some, and adds its own. */
import { request, type IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface WireRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export async function ask(port: number, path: string, options: WireRequest = {}): Promise<WireAnswer> {
  const { method = "GET", headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (answer) => {
      buffer(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
