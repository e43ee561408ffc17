/** A forward proxy on loopback, for CONNECT and plain requests. */
import { createServer, request as ask, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { listenOnLoopback } from "./loopback.ts";

export interface Proxy {
  /** Without a login. */
  readonly url: string;
  /** `CONNECT 127.0.0.1:1234`, `GET http://…`, in order. */
  readonly log: string[];
}

export interface ProxySettings {
  /** `user:password` that it wants. */
  readonly login?: string;
  /** What it answers to everybody who may use it. */
  readonly refusal?: number;
  /** Whom a name leads to; every other is itself. */
  readonly names?: Readonly<Record<string, string>>;
}

export async function startProxy({ login, refusal, names = {} }: ProxySettings = {}): Promise<Proxy> {
  const log: string[] = [];
  const sockets = new Set<Socket>();
  const statusFor = ({ headers }: IncomingMessage): number | undefined => {
    const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`;
    return wanted !== undefined && headers["proxy-authorization"] !== wanted ? 407 : refusal;
  };
  const server = createServer((request, response) => {
    log.push(`${request.method} ${request.url}`);
    const status = statusFor(request);
    if (status !== undefined) {
      response.writeHead(status, { "proxy-authenticate": "Basic" }).end("no");
      return;
    }
    const passed = ask(request.url ?? "", { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    request.pipe(passed);
  });
  server.on("connect", (request, client: Socket) => {
    log.push(`CONNECT ${request.url}`);
    const status = statusFor(request);
    if (status !== undefined) {
      client.end(`HTTP/1.1 ${status} No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${names[request.url ?? ""] ?? request.url}`);
    const upstream = connect(Number(port || 80), hostname, () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    for (const [from, to] of [
      [upstream, client],
      [client, upstream],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { url: await listenOnLoopback(server), log };
}
