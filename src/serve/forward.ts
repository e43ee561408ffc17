/**
 * Passes requests on to the server's process, byte for byte, over a socket of its own: what a worker does with all that
 * it has not in memory. Git processes, their limits and shares, health and all else that there is one of stay in there.
 */
import {
  Agent,
  type ClientRequest,
  request as requestOver,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { onGone } from "../listeners.ts";
import { fileHeader, placeHeader, readFileHeader, type AnsweringFile } from "./arrival.ts";

// Of one connection (RFC 9110, section 7.6.1), or between ourselves.
const ofOneHop = new Set(
  `connection keep-alive proxy-connection te trailer transfer-encoding upgrade expect ${fileHeader} ${placeHeader}`.split(
    " ",
  ),
);

/**
 * @param socketPath where the server's process listens for workers
 * @param onFile hears which file a request was answered with
 */
export function forwardTo(
  socketPath: string,
  onFile: (request: IncomingMessage, file: AnsweringFile) => void,
): RequestListener {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  const begin = (request: IncomingMessage): ClientRequest | undefined => {
    try {
      return requestOver({
        socketPath,
        agent,
        setHost: false,
        method: request.method ?? "GET",
        path: request.url ?? "/",
        headers: forwardedHeaders(request),
      });
    } catch {
      // Node reads some requests that it does not send.
      return undefined;
    }
  };
  return (request, response) => {
    const sent = begin(request);
    if (sent === undefined) {
      refuse(response, 400, "that request cannot be read");
      return;
    }
    // Whether the client has gone, or only has its answer: there is nothing more to send or to take.
    onGone(response, request.socket, () => sent.destroy());
    request.on("error", () => sent.destroy());
    // What was sent of an answer cannot be taken back: the client must see that it is not whole.
    sent.on("error", () => {
      if (response.headersSent || response.destroyed) response.destroy();
      else refuse(response, 503, "the mirror is just being stopped or started; ask again");
    });
    sent.on("response", (answer) => {
      const file = answer.headers[fileHeader];
      if (typeof file === "string") onFile(request, readFileHeader(file));
      response.sendDate = false;
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders));
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    request.pipe(sent);
  };
}

function refuse(response: ServerResponse, status: 400 | 503, text: string): void {
  const later = status === 503 ? { "retry-after": "2" } : {};
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close", ...later });
  response.end(`${text}\n`);
}

/** As they came, with who asks and where. */
function forwardedHeaders({ rawHeaders, headers, socket }: IncomingMessage): string[] {
  const before = headers["x-forwarded-for"];
  const client = socket.remoteAddress ?? "";
  const said = [
    "x-forwarded-for",
    before === undefined ? client : `${[before].flat().join(", ")}, ${client}`,
    placeHeader,
    `${socket.localPort ?? 0} ${socket.localAddress ?? ""}`,
  ];
  if (headers["transfer-encoding"] !== undefined) said.push("transfer-encoding", "chunked");
  return [...endToEnd(rawHeaders, "x-forwarded-for"), ...said];
}

function endToEnd(rawHeaders: readonly string[], ...others: string[]): string[] {
  const kept: string[] = [];
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [name = "", value = ""] = [rawHeaders[n], rawHeaders[n + 1]];
    const known = name.toLowerCase();
    if (!ofOneHop.has(known) && !others.includes(known)) kept.push(name, value);
  }
  return kept;
}
