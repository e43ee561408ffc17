/** An HTTP client as a sync has it, with times that a test can wait for, against servers on loopback. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createPlainServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { createHttpClient, type HttpClient, type HttpSettings } from "../../src/upstream/http.ts";
import type { Limits } from "../../src/upstream/limits.ts";
import { createPatience, type Patience } from "../../src/upstream/patience.ts";
import { listenOnLoopback } from "./loopback.ts";

/** Seconds. */
export const shortLimits: Partial<Limits> = {
  firstByte: 2,
  silence: 0.6,
  lonelySilence: 0.8,
  unwell: 0.6,
  probe: 0.4,
  window: 0.6,
  leastTime: 3,
  pause: 0.02,
  longestPause: 0.1,
};

export interface Asking {
  readonly http: HttpClient;
  readonly patience: Patience;
  /** What was told meanwhile. */
  readonly told: string[];
}

export function openAsking(
  settings: Partial<HttpSettings> & { readonly limits?: Partial<Limits>; readonly deadline?: number } = {},
): Asking {
  const told: string[] = [];
  const { limits = {}, deadline, ...own } = settings;
  const patience = createPatience({ deadline, tell: (text) => told.push(text), limits: { ...shortLimits, ...limits } });
  const http = createHttpClient({
    userAgent: "test",
    connections: 8,
    proxies: {},
    mayAsk: async () => true,
    patience,
    ...own,
  });
  onTestFinished(async () => {
    patience.close();
    await http.close();
  });
  return { http, patience, told };
}

export interface Scripted {
  readonly url: string;
  readonly host: string;
  /** Each request: method and URL, and its headers. */
  readonly requests: { readonly line: string; readonly headers: IncomingMessage["headers"] }[];
}

/** A server that answers as the test says, given how many requests came before. */
export async function startScripted(
  answer: (request: IncomingMessage, response: ServerResponse, before: number) => void,
): Promise<Scripted> {
  const requests: Scripted["requests"] = [];
  const server = createServer((request, response) => {
    requests.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    answer(request, response, requests.length - 1);
  });
  const url = await listenOnLoopback(server);
  return { url, host: new URL(url).host, requests };
}

/** Accepts, and says nothing. */
export async function startSilent(): Promise<{ url: string; port: number; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createPlainServer((socket) => sockets.add(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const own = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${own}`, port: own, server };
}
