/** Sockets: what answers requests, on an HTTP and an HTTPS listener, and an orderly end. */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { MirrorError, hasErrno } from "../errors.ts";
import { onClose, onGone } from "../listeners.ts";
import { sendQueueOf } from "./send-queue.ts";
import { answerConnect, noTunnels, type Tunnelled } from "./tunnels.ts";

export interface Listening {
  readonly port: number;
  readonly tlsPort: number | undefined;
  /** From the next connection on. */
  readonly setCertificate: (certificate: { readonly key: string; readonly cert: string }) => void;
  /** Whom clients may ask for with CONNECT, from the next on; nobody until this is told. */
  readonly setTunnelled: (tunnelled: Tunnelled) => void;
  /** Stops accepting, lets running requests finish for so many seconds, then cuts them. */
  readonly close: (graceSeconds: number) => Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** undefined: HTTP only. */
  readonly tls:
    { readonly port: number; readonly certificate: { readonly key: string; readonly cert: string } } | undefined;
  /** A client that takes nothing of its answer for so long is not coming back for the rest. */
  readonly stalledSeconds: number;
  /** Told of what goes wrong with a listener later, such as a descriptor that could not be had for one connection. */
  readonly onError: (error: Error) => void;
}

// A request has to arrive within that; git's longest take seconds on a slow line.
const requestMilliseconds = 300_000;
// Balancers keep connections for 60 s, and must never send a request on one that is just being closed here.
const keepAliveMilliseconds = 75_000;

/**
 * @param answer what answers requests, given what has to hear of those whose answer takes its time
 * @throws MirrorError `config` when a port cannot be taken
 */
export async function listen(
  answer: (unfinished: RequestListener) => RequestListener,
  { host, port, tls, stalledSeconds, onError }: ListenOptions,
): Promise<Listening> {
  const connections = new Connections(stalledSeconds);
  const answering = answer((request, response) => connections.requested(request, response));
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    connections.heard(request.socket);
    if (namesTwoHosts(request.rawHeaders)) response.writeHead(400, { connection: "close" }).end("two Host headers\n");
    else answering(request, response);
  };
  const options = { requestTimeout: requestMilliseconds, keepAliveTimeout: keepAliveMilliseconds };
  const http = connections.watch(createServer(options, handle));
  const servers: (HttpServer | HttpsServer)[] = [http];
  try {
    await bind(http, host, port, "--port", onError);
    const https =
      tls === undefined
        ? undefined
        : connections.watch(createTlsServer({ ...options, ...keyPair(tls.certificate) }, handle));
    if (https !== undefined && tls !== undefined) {
      servers.push(https);
      await bind(https, host, tls.port, "--tls-port", onError);
    }
    // What comes by a tunnel is answered by one that listens to nothing and leads into no further tunnel.
    const inner =
      tls === undefined
        ? undefined
        : connections.watch(createTlsServer({ ...options, ...keyPair(tls.certificate) }, handle));
    // Only from then on Node looks how long requests take to arrive.
    inner?.emit("listening");
    let tunnelled = noTunnels;
    const connect = answerConnect(inner, () => tunnelled);
    for (const server of servers) server.on("connect", connect);
    // Ended with them: it looks at its requests' times, and a client keeps its tunnel between two of them.
    if (inner !== undefined) servers.push(inner);
    return {
      port: portOf(http),
      tlsPort: https === undefined ? undefined : portOf(https),
      setCertificate: (certificate) => {
        for (const server of [https, inner]) server?.setSecureContext(keyPair(certificate));
      },
      setTunnelled: (now) => (tunnelled = now),
      close: (graceSeconds) => closeServers(servers, connections, graceSeconds),
    };
  } catch (error) {
    await closeServers(servers, connections, 0);
    throw error;
  }
}

/** Node takes the first of them; who stands in front may have taken the other. https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
function namesTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") count += 1;
  }
  return count > 1;
}

/**
 * Every connection and what it is busy with. Node's own `closeAllConnections` does not know those that are still in
 * their TLS handshake, and none of its time-outs sees a client that reads nothing.
 */
class Connections {
  private readonly open = new Set<Socket>();
  /** Connections of which no request has come yet, by the client's address and port. */
  private readonly silent = new Map<string, Socket>();
  /** What each had moved when it seemed to stand still. */
  private readonly stalled = new WeakMap<Socket, string>();
  private readonly answering = new WeakMap<Socket, Set<IncomingMessage>>();
  /** Those of which a request has come. */
  private readonly known = new WeakSet<Socket>();
  private readonly stalledSeconds: number;

  constructor(stalledSeconds: number) {
    this.stalledSeconds = stalledSeconds;
  }

  watch<S extends HttpServer | HttpsServer>(server: S): S {
    server.on("connection", (socket: Socket) => {
      const peer = peerOf(socket);
      this.open.add(socket);
      this.silent.set(peer, socket);
      onClose(socket, () => {
        this.open.delete(socket);
        if (this.silent.get(peer) === socket) this.silent.delete(peer);
      });
    });
    // Node tells of this when it has seen nothing move for so long. The second time in a row it is so.
    server.setTimeout((this.stalledSeconds * 1000) / 2, (socket: Socket) => {
      if (this.isStalled(socket)) socket.destroy();
      else socket.setTimeout((this.stalledSeconds * 1000) / 2);
    });
    return server;
  }

  private isStalled(socket: Socket): boolean {
    const requests = [...(this.answering.get(socket) ?? [])];
    // Kept alive for another request that does not come: that time is Node's own, and shorter.
    if (requests.length === 0 && !this.silent.has(peerOf(socket))) return true;
    const isOurTurn = requests.length > 0 && requests.every(({ complete }) => complete);
    if (isOurTurn && socket.writableLength === 0) return false;
    // Where nothing waits to be sent, nothing can be taken.
    const queue = requests.length === 0 ? 0 : sendQueueOf(socket);
    const now = `${socket.bytesRead} ${socket.bytesWritten} ${queue ?? "-"}`;
    const wasSo = this.stalled.get(socket) === now;
    this.stalled.set(socket, now);
    return wasSo;
  }

  heard(socket: Socket): void {
    if (this.known.has(socket)) return;
    this.known.add(socket);
    // Requests that are sent one behind another wait on one connection, each with its listeners.
    socket.setMaxListeners(0);
    this.silent.delete(peerOf(socket));
  }

  requested(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const requests = this.answering.get(socket) ?? new Set();
    this.answering.set(socket, requests.add(request));
    onGone(response, socket, () => requests.delete(request));
  }

  /** Those that wait for nothing: in the middle of a handshake, or before their first request. */
  endSilent(): void {
    for (const socket of this.silent.values()) socket.destroy();
  }

  end(): void {
    for (const socket of this.open) socket.destroy();
  }
}

/** A TLS connection has the address of the one that it runs in. */
function peerOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}

async function closeServers(
  servers: readonly (HttpServer | HttpsServer)[],
  connections: Connections,
  graceSeconds: number,
): Promise<void> {
  const cut = setTimeout(() => connections.end(), graceSeconds * 1000);
  await Promise.all(servers.map((server) => closeServer(server, connections)));
  clearTimeout(cut);
}

async function closeServer(server: HttpServer | HttpsServer, connections: Connections): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Kept-alive connections without a request on them do not count as running.
  server.closeIdleConnections();
  connections.endSilent();
  await closed;
}

function keyPair({ key, cert }: { readonly key: string; readonly cert: string }) {
  return { key, cert };
}

async function bind(
  server: HttpServer | HttpsServer,
  host: string,
  port: number,
  option: string,
  onError: (error: Error) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const why = hasErrno(cause, "EADDRINUSE")
        ? "is taken; give another, or 0 for any free one"
        : hasErrno(cause, "EACCES")
          ? "may not be opened by this user; ports below 1024 often need rights"
          : "cannot be opened";
      // Whether it is the address or the port that stands in the way.
      const isHost = hasErrno(cause, "ENOTFOUND", "EADDRNOTAVAIL", "EAI_AGAIN", "EINVAL");
      const message = isHost
        ? `--host: ${host} is no address of this machine; 127.0.0.1 is this machine alone, 0.0.0.0 all that it has`
        : `${option}: port ${port} on ${host} ${why}`;
      reject(new MirrorError("config", message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners("error");
  // Such as a file descriptor that could not be had for one connection: the others go on.
  server.on("error", onError);
}

function portOf(server: HttpServer | HttpsServer): number {
  return (server.address() as AddressInfo).port;
}
