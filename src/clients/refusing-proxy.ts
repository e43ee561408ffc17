/**
 * A proxy that leads to the mirror and nowhere else: what clients ask of anybody besides is refused at once, by name, and
 * remembered. Those that know of no hosts without proxy ask it for the mirror itself.
 */
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline, type Duplex } from "node:stream";

interface RefusingProxy {
  readonly url: string;
  /** Whom clients asked for: `repo.hex.pm:443` */
  readonly refused: () => readonly string[];
  readonly close: () => Promise<void>;
}

const host = "127.0.0.1";

/** @param mirror its URL */
export async function openRefusingProxy(mirror: string): Promise<RefusingProxy> {
  const refused = new Set<string>();
  // Of clients that do not hang up, which Node's own closing does not know.
  const tunnels = new Set<Duplex>();
  const refuse = (target: string): string => {
    refused.add(target);
    return `${target} cannot be reached: mirror-server exec --hermetic lets clients ask the mirror and nobody else\n`;
  };
  const server = createServer((request, response) => {
    const { url = "" } = request;
    if (url.startsWith(`${mirror}/`)) relay(request, response, url);
    else response.writeHead(403, { "content-type": "text/plain; charset=utf-8" }).end(refuse(hostIn(url)));
  });
  server.on("connect", (request: IncomingMessage, socket) => {
    const body = refuse(request.url ?? "");
    const length = Buffer.byteLength(body);
    tunnels.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => tunnels.delete(socket));
    socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    refused: () => [...refused].sort(),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of tunnels) socket.destroy();
      await closed;
    },
  };
}

function hostIn(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

function relay(request: IncomingMessage, response: ServerResponse, url: string): void {
  const { method } = request;
  // For us alone.
  const { "proxy-authorization": _login, "proxy-connection": _connection, ...headers } = request.headers;
  const onward = ask(url, { method: method ?? "GET", headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    pipeline(answer, response, () => undefined);
  });
  onward.on("error", () => response.destroy());
  pipeline(request, onward, () => undefined);
}
