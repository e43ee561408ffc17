/** Sockets: the one application on an HTTP and an HTTPS listener, and an orderly end. */
import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer as createTlsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { MirrorError, hasErrno } from "../errors.ts";

export interface Listening {
  readonly port: number;
  readonly tlsPort: number | undefined;
  /** From the next connection on. */
  readonly setCertificate: (certificate: { readonly key: string; readonly cert: string }) => void;
  /** Stops accepting, lets running requests finish for so many seconds, then cuts them. */
  readonly close: (graceSeconds: number) => Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** undefined: HTTP only. */
  readonly tls:
    { readonly port: number; readonly certificate: { readonly key: string; readonly cert: string } } | undefined;
}

/** @throws MirrorError `config` when a port cannot be taken */
export async function listen(app: FastifyInstance, { host, port, tls }: ListenOptions): Promise<Listening> {
  const handle: RequestListener = (request, response) => app.routing(request, response);
  const http = createServer(handle);
  const servers: (HttpServer | HttpsServer)[] = [http];
  try {
    const onError = (error: Error) => app.log.error({ err: error }, "a listener failed");
    await bind(http, host, port, "--port", onError);
    const https = tls === undefined ? undefined : createTlsServer(keyPair(tls.certificate), handle);
    if (https !== undefined && tls !== undefined) {
      servers.push(https);
      await bind(https, host, tls.port, "--tls-port", onError);
    }
    return {
      port: portOf(http),
      tlsPort: https === undefined ? undefined : portOf(https),
      setCertificate: (certificate) => https?.setSecureContext(keyPair(certificate)),
      close: async (graceSeconds) => {
        await Promise.all(servers.map((server) => closeServer(server, graceSeconds)));
        await app.close();
      },
    };
  } catch (error) {
    await Promise.all(servers.map((server) => closeServer(server, 0)));
    throw error;
  }
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
      reject(new MirrorError("config", `${option}: port ${port} on ${host} ${why}`, { cause }));
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

async function closeServer(server: HttpServer | HttpsServer, graceSeconds: number): Promise<void> {
  if (!server.listening) return;
  const cut = setTimeout(() => server.closeAllConnections(), graceSeconds * 1000);
  // Kept-alive connections without a request on them do not count as running.
  server.closeIdleConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearTimeout(cut);
}
