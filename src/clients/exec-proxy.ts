/**
 * The proxy of one command: what its clients ask of a host that the mirror stands in for, the mirror is asked for, by TLS too;
 * what they ask of others goes on to where it would have gone, the user's own proxy included, or with --hermetic nowhere, by
 * name. Those that know of no hosts without proxy ask it for the mirror itself.
 *
 * Other users of this machine can reach it. The mirror's own answers they could have without it; whatever leads further needs
 * the password of this run, which stands in its URL.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, request as askPlain, type IncomingMessage, type ServerResponse } from "node:http";
import { request as askSecurely } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import { chosenProxy, type Proxies } from "../upstream/proxies.ts";

export interface ExecProxy {
  /** With its password. */
  readonly url: string;
  /** Whom clients asked for and were not given: `repo.hex.pm:443` */
  readonly refused: () => readonly string[];
  readonly close: () => Promise<void>;
}

export interface ExecProxyOptions {
  /** Its URL. */
  readonly mirror: string;
  /** Authorities by which it is known where that is https, PEM. */
  readonly ca: string | undefined;
  /** Whether it stands in for a host. */
  readonly standsIn: (host: string) => boolean;
  /** The user's proxies, for what is asked of others; undefined: others are asked for nothing. */
  readonly onward: Proxies | undefined;
}

const host = "127.0.0.1";
// A tunnel has to stand by then.
const connectMilliseconds = 30_000;

export async function openExecProxy({ mirror, ca, standsIn, onward }: ExecProxyOptions): Promise<ExecProxy> {
  const password = randomBytes(24).toString("base64url");
  const login = Buffer.from(`Basic ${Buffer.from(`mirror-server:${password}`).toString("base64")}`);
  const refused = new Set<string>();
  // Of clients that do not hang up, which Node's own closing does not know.
  const tunnels = new Set<Duplex>();
  const refuse = (target: string): string => {
    refused.add(target);
    return `${target} cannot be reached: mirror-server exec --hermetic lets clients ask the mirror and nobody else\n`;
  };
  const isKnown = ({ headers }: IncomingMessage) => {
    const given = Buffer.from(headers["proxy-authorization"] ?? "");
    return given.length === login.length && timingSafeEqual(given, login);
  };
  const keep = (socket: Duplex) => {
    tunnels.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => tunnels.delete(socket));
  };
  const server = createServer((request, response) => {
    const { url = "" } = request;
    const isOfMirror = url.startsWith(`${mirror}/`);
    if (isOfMirror || standsIn(hostnameIn(url))) return relay(request, response, { url: mirror, path: url, ca });
    response.writeHead(403, { "content-type": "text/plain; charset=utf-8" }).end(refuse(hostIn(url)));
  });
  server.on("connect", (request: IncomingMessage, client, head) => {
    keep(client);
    const target = request.url ?? "";
    const isOfMirror = target.endsWith(":443") && standsIn(target.slice(0, -":443".length).toLowerCase());
    const through = async (way: Way): Promise<void> => {
      const there = await openTunnel(target, way);
      keep(there);
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      if (head.length > 0) there.write(head);
      pipeline(client, there, () => undefined);
      pipeline(there, client, () => undefined);
    };
    const further = async (): Promise<void> => {
      if (onward === undefined) return answer(client, 403, refuse(target));
      if (!isKnown(request)) return answer(client, 407, "this proxy is of one command, and needs its password\n");
      await through({ proxy: chosenProxy(`https://${target}`, onward), ca: undefined });
    };
    const toMirror = async () => through({ proxy: mirror, ca });
    // A mirror that may not answer for it says so, and leaves it to who can be asked.
    const asked = isOfMirror
      ? toMirror().catch((error: unknown) => (onward === undefined ? orTell(error) : further()))
      : further();
    const orTell = (error: unknown) => {
      refused.add(target);
      answer(client, 502, `${error instanceof Error ? error.message : String(error)}\n`);
    };
    asked.catch(orTell);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
  return {
    url: `http://mirror-server:${password}@${host}:${(server.address() as AddressInfo).port}`,
    refused: () => [...refused].sort(),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of tunnels) socket.destroy();
      await closed;
    },
  };
}

interface Way {
  /** Through which it leads, with its login; undefined: straight there. */
  readonly proxy: string | undefined;
  readonly ca: string | undefined;
}

/** @param target `github.com:443` @throws Error in words, for whoever asked */
async function openTunnel(target: string, { proxy, ca }: Way): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${target} cannot be reached: ${why}`));
    if (proxy === undefined) {
      const { hostname, port } = new URL(`https://${target}`);
      const socket = connect({
        host: hostname.replace(/^\[|\]$/g, ""),
        port: Number(port || 443),
        timeout: connectMilliseconds,
      });
      socket.once("connect", () => resolve(socket.setTimeout(0)));
      socket.once("timeout", () => socket.destroy(new Error("it does not answer")));
      socket.once("error", (error) => fail(error.message));
      return;
    }
    const { protocol, hostname, port, username, password } = new URL(proxy);
    if (!/^https?:$/.test(protocol)) return fail(`a proxy by ${protocol.slice(0, -1)} is not passed on to`);
    const ask = protocol === "https:" ? askSecurely : askPlain;
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const headers = username === "" ? {} : { "proxy-authorization": `Basic ${Buffer.from(login).toString("base64")}` };
    const options = {
      host: hostname.replace(/^\[|\]$/g, ""),
      port,
      method: "CONNECT",
      path: target,
      headers,
      ca,
      agent: false,
    };
    const asked = ask({ ...options, timeout: connectMilliseconds });
    asked.once("connect", ({ statusCode = 0 }, socket, head) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        return fail(`who was asked for it answers with status ${statusCode}`);
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.once("timeout", () => asked.destroy(new Error("it does not answer")));
    asked.once("error", (error) => fail(error.message));
    asked.end();
  });
}

function answer(client: Duplex, status: 403 | 407 | 502, body: string): void {
  const words = { 403: "Forbidden", 407: "Proxy Authentication Required", 502: "Bad Gateway" }[status];
  const head = [
    `HTTP/1.1 ${status} ${words}`,
    "Content-Type: text/plain",
    // Who asks again with the password does so on another connection.
    "Connection: close",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  const wanted = status === 407 ? ['Proxy-Authenticate: Basic realm="mirror-server exec"'] : [];
  client.end(`${[...head, ...wanted].join("\r\n")}\r\n\r\n${body}`);
}

function hostIn(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

function hostnameIn(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : "";
}

interface Relayed {
  readonly url: string;
  /** As it was asked for, a whole URL: whose host counts. */
  readonly path: string;
  readonly ca: string | undefined;
}

function relay(request: IncomingMessage, response: ServerResponse, { url, path, ca }: Relayed): void {
  const { method = "GET" } = request;
  // For us alone.
  const { "proxy-authorization": _login, "proxy-connection": _connection, ...headers } = request.headers;
  const ask = url.startsWith("https:") ? askSecurely : askPlain;
  const onward = ask(url, { method, headers, path, ca }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.headers);
    pipeline(answered, response, () => undefined);
  });
  onward.on("error", () => response.destroy());
  pipeline(request, onward, () => undefined);
}
