/**
 * CONNECT: what clients send that take the mirror for their proxy, since that is the one switch they have. Whoever asks for a
 * host that the mirror stands in for is led to the mirror's own TLS, and asks there what it would have asked that host. Nobody
 * is led anywhere else: a server that others can reach is no way to the hosts that it can reach.
 * https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
 */
import type { IncomingMessage } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";

/** Lower case, without ports. */
export interface Tunnelled {
  /** Hosts that the mirror stands in for. */
  readonly hosts: readonly string[];
  /** Those that its certificate does not name. */
  readonly uncovered: readonly string[];
}

export const noTunnels: Tunnelled = { hosts: [], uncovered: [] };

// Whoever was refused has read why by then.
const refusedMilliseconds = 5_000;

/** @param https takes what comes by tunnels; undefined: the mirror has no TLS @returns what answers CONNECT */
export function answerConnect(
  https: HttpsServer | undefined,
  tunnelled: () => Tunnelled,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (request, socket, head) => {
    // From here on it is ours alone.
    socket.on("error", () => undefined);
    const problem = https === undefined ? noTls : problemOf(request.url ?? "", tunnelled());
    if (https === undefined || problem !== undefined) return refuse(socket, problem ?? noTls);
    // HTTP keeps one open whose client has sent its end; TLS does not, and would wait for ever.
    socket.allowHalfOpen = false;
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) socket.unshift(head);
    https.emit("connection", socket);
  };
}

const noTls = "this mirror has no TLS: it was started with --no-tls";

/** @param target as it was asked for: `github.com:443` */
function problemOf(target: string, { hosts, uncovered }: Tunnelled): string | undefined {
  const [, host = "", port] = /^\[?([^\]/?#@]+?)\]?(?::(\d+))?$/.exec(target.toLowerCase()) ?? [];
  if (port !== "443") return `only port 443 is answered, not ${JSON.stringify(target.slice(0, 300))}`;
  if (!hosts.includes(host)) return `${host} is no host that this mirror stands in for, and it leads nowhere else`;
  if (!uncovered.includes(host)) return undefined;
  return `the mirror's certificate may not name ${host}; "mirror-server certs renew --new-ca" makes one that may`;
}

function refuse(socket: Duplex, problem: string): void {
  const late = setTimeout(() => socket.destroy(), refusedMilliseconds);
  socket.once("close", () => clearTimeout(late));
  const body = `${problem}\n`;
  const head = ["HTTP/1.1 403 Forbidden", "Content-Type: text/plain; charset=utf-8", "Connection: close"];
  socket.end(`${head.join("\r\n")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
