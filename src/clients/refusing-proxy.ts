/**
 * A proxy that leads to the mirror and nowhere else: what clients ask of anybody besides is refused at once, by name, and
 * remembered. Those that know of no hosts without proxy ask it for the mirror itself.
 */
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

export interface RefusingProxy {
  readonly url: string;
  /** Whom clients asked for: `repo.hex.pm:443` */
  readonly refused: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** @param mirror its URL @param host where to listen */
export async function openRefusingProxy(mirror: string, host = "127.0.0.1"): Promise<RefusingProxy> {
  const refused = new Set<string>();
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
    socket.on("error", () => undefined);
    socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    refused: () => [...refused].sort(),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function hostIn(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

function relay(request: IncomingMessage, response: ServerResponse, url: string): void {
  const { method, headers } = request;
  const onward = ask(url, { method: method ?? "GET", headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    pipeline(answer, response, () => undefined);
  });
  onward.on("error", () => response.destroy());
  pipeline(request, onward, () => undefined);
}
