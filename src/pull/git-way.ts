/**
 * The way of our own git to upstream, when it asks on behalf of clients: through a proxy on loopback that only it can use. It
 * connects to no address that our other requests would not connect to, and ends what brings more than it may. Where the
 * environment has a proxy, that one resolves names, so git is told of it instead.
 */
import { createServer, request as requestOver, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, isIP, type AddressInfo, type Socket } from "node:net";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { guardedLookup, type MayConnect } from "../upstream/guarded-lookup.ts";
import { viaWith } from "../via.ts";
import { proxyFor, type Proxies } from "../upstream/proxies.ts";

export interface GitWay {
  /** Git's settings for asking this URL. @param maxBytes that may come @returns also what ends the way */
  readonly open: (url: string, maxBytes: number) => Promise<Way>;
  readonly close: () => Promise<void>;
}

export interface Way {
  readonly settings: readonly (readonly [string, string])[];
  /** Whether more wanted to come than might. */
  readonly isOverdrawn: () => boolean;
  readonly end: () => void;
}

export interface GitWaySettings {
  readonly proxies: Proxies;
  readonly mayConnect: MayConnect;
  /** Sent with each request, where it is not encrypted by then. */
  readonly via: string;
}

interface Traveller {
  readonly secret: string;
  left: number;
  readonly sockets: Set<Socket>;
}

const connectMilliseconds = 10_000;

export function createGitWay({ proxies, mayConnect, via }: GitWaySettings): GitWay {
  const travellers = new Map<string, Traveller>();
  const lookup = guardedLookup(mayConnect);
  const server = createServer(forward);
  server.on("connect", tunnel);
  let listening: Promise<number> | undefined;

  const listen = async (): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
      server.unref();
    });

  return {
    open: async (url, maxBytes) => {
      // What it would resolve is not ours to look at, and its own limits hold.
      if (proxyFor(url, proxies) !== undefined) return throughTheirs(url, proxies, viaWith(via));
      listening ??= listen().catch((error: unknown) => {
        listening = undefined;
        throw error;
      });
      const port = await listening;
      const id = randomBytes(8).toString("hex");
      const traveller = { secret: randomBytes(16).toString("hex"), left: maxBytes, sockets: new Set<Socket>() };
      travellers.set(id, traveller);
      return {
        settings: [
          ["http.proxy", `http://${id}:${traveller.secret}@127.0.0.1:${port}`],
          ["http.proxyAuthMethod", "basic"],
          ["http.extraHeader", `Via: ${viaWith(via)}`],
        ],
        isOverdrawn: () => traveller.left < 0,
        end: () => {
          travellers.delete(id);
          for (const socket of traveller.sockets) socket.destroy();
        },
      };
    },
    close: async () => {
      server.closeAllConnections();
      if (listening !== undefined) await new Promise((resolve) => server.close(resolve));
    },
  };

  /** Whose request it is, by the login that git was given. */
  function whose({ headers }: IncomingMessage): Traveller | undefined {
    const [, encoded = ""] = /^basic (.+)$/i.exec(headers["proxy-authorization"] ?? "") ?? [];
    const [id = "", secret = ""] = Buffer.from(encoded, "base64").toString("latin1").split(":");
    const traveller = travellers.get(id);
    if (traveller?.secret.length !== secret.length) return undefined;
    return timingSafeEqual(Buffer.from(traveller.secret), Buffer.from(secret)) ? traveller : undefined;
  }

  function mayGo(host: string): boolean {
    return isIP(host) === 0 || mayConnect(host, host);
  }

  function count(traveller: Traveller, socket: Socket): void {
    traveller.sockets.add(socket);
    socket.once("close", () => traveller.sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      traveller.left -= chunk.length;
      if (traveller.left < 0) for (const each of traveller.sockets) each.destroy();
    });
  }

  /** `CONNECT github.com:443` */
  function tunnel(request: IncomingMessage, client: Socket, head: Buffer): void {
    client.on("error", () => client.destroy());
    const traveller = whose(request);
    const [, bracketed = "", port = ""] = /^(.+):(\d+)$/.exec(request.url ?? "") ?? [];
    const host = bracketed.replace(/^\[|\]$/g, "");
    if (traveller === undefined) {
      client.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="mirror-server"\r\n\r\n',
      );
      return;
    }
    if (!mayGo(host)) {
      client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    const upstream = connect({ host, port: Number(port), lookup, timeout: connectMilliseconds });
    upstream.once("timeout", () => upstream.destroy(new Error("no connection in time")));
    upstream.once("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    client.once("close", () => upstream.destroy());
    upstream.once("close", () => client.destroy());
    upstream.once("connect", () => {
      upstream.setTimeout(0);
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      count(traveller, upstream);
      upstream.pipe(client);
      client.pipe(upstream);
    });
  }

  /** `GET http://host/path`, as plain HTTP goes by a proxy. */
  function forward(request: IncomingMessage, response: ServerResponse): void {
    const traveller = whose(request);
    const url = request.url !== undefined && URL.canParse(request.url) ? new URL(request.url) : undefined;
    const host = url?.hostname.replace(/^\[|\]$/g, "") ?? "";
    if (traveller === undefined || url === undefined || !mayGo(host)) {
      response.writeHead(traveller === undefined ? 407 : 403, { "proxy-authenticate": 'Basic realm="mirror-server"' });
      response.end();
      return;
    }
    const { "proxy-authorization": _login, "proxy-connection": _connection, ...headers } = request.headers;
    const sent = requestOver(url, { method: request.method ?? "GET", headers, lookup, agent: false });
    sent.on("socket", (socket) => count(traveller, socket));
    sent.on("error", () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
    sent.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    response.once("close", () => sent.destroy());
    request.pipe(sent);
  }
}

function throughTheirs(url: string, { httpProxy, httpsProxy }: Proxies, via: string): Way {
  const proxy = (url.startsWith("https:") ? httpsProxy : undefined) ?? httpProxy ?? "";
  const settings = [["http.proxy", proxy] as const, ["http.extraHeader", `Via: ${via}`] as const];
  return { settings, isOverdrawn: () => false, end: () => undefined };
}
