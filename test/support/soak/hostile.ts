/**
 * A program of its own: clients that do what no honest one does, at a server on loopback, until they are ended by SIGTERM. Then
 * they say what they did, as JSON. Arguments: {"port", "tlsPort", "crowd", "seed", "repository", "head"} as JSON.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { chances } from "../chances.ts";
import { ambiguousRequests } from "./ambiguous.ts";

interface Given {
  readonly port: number;
  readonly tlsPort: number;
  /** Connections that do nothing and stay. */
  readonly crowd: number;
  readonly seed: string;
  readonly repository: string;
  /** A commit of it. */
  readonly head: string;
}

const given = JSON.parse(process.argv.at(-1) ?? "{}") as Given;
const chance = chances(given.seed);
const done: Record<string, number> = {};
const open = new Set<Socket>();
const over = new AbortController();

const pick = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)] as T;
const packet = (content: string) => (content.length + 4).toString(16).padStart(4, "0") + content;
const fetchOf = (have: string) =>
  `${packet("command=fetch")}0001${packet("no-progress")}${packet(`want ${given.head}\n`)}${packet(`have ${have}\n`)}${packet("done\n")}0000`;
const post = (length: string, body: string) =>
  `POST /${given.repository}/git-upload-pack HTTP/1.1\r\nHost: localhost\r\nGit-Protocol: version=2\r\n` +
  `Content-Type: application/x-git-upload-pack-request\r\n${length}\r\n\r\n${body}`;
// Nobody has asked for it before, so that git has to run.
const fresh = () => fetchOf(Array.from({ length: 40 }, () => Math.floor(chance() * 16).toString(16)).join(""));
const pack = () => post(`Content-Length: ${fresh().length}`, fresh());
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const paths = [
  "/names",
  "/versions",
  "/health",
  "/metrics",
  "/tarballs/../../private_key.pem",
  "/%2e%2e/%2e%2e/etc/passwd",
  "/packages/%00",
].concat([
  "/packages/alder",
  "//github.com/x",
  `/${given.repository}/info/refs?service=git-upload-pack`,
  "/api/mirror/status",
  "/ui/packages",
]);

function dial(port = given.port): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.on("close", () => open.delete(socket));
  open.add(socket);
  return socket;
}

/** Each is one visit of one client. */
const kinds: Readonly<Record<string, () => Promise<void>>> = {
  hangUp: async () => {
    const socket = dial();
    socket.write(
      pick([get(pick(paths)), pack(), pack().slice(0, -20), post("Transfer-Encoding: chunked", "4\r\n0032\r\n")]),
    );
    await sleep(chance() * 20);
    socket.resetAndDestroy();
  },
  behindEachOther: async () => {
    const socket = dial();
    socket.write(Array.from({ length: 12 }, () => pick([get(pick(paths)), pack()])).join(""));
    await sleep(chance() * 60);
    socket.resetAndDestroy();
  },
  slowReader: async () => {
    const socket = dial();
    socket.write(pick([pack(), get("/tarballs/large-1.0.0.tar")]));
    socket.pause();
    await sleep(2000 + chance() * 6000);
    socket.destroy();
  },
  slowWriter: async () => {
    const socket = dial();
    const request = pick([get("/names"), pack()]);
    for (const byte of request) {
      if (over.signal.aborted || socket.destroyed) break;
      socket.write(byte);
      await sleep(20 + chance() * 80);
    }
    socket.destroy();
  },
  tlsHalf: async () => {
    const socket = dial(given.tlsPort);
    socket.write(pick([Buffer.from([0x16, 3, 1, 2, 0, 1]), Buffer.from(get("/names")), Buffer.alloc(2000, 0x80)]));
    await sleep(chance() * 400);
    socket.resetAndDestroy();
  },
  tlsFlood: async () => {
    const socket = connectTls({ port: given.tlsPort, host: "127.0.0.1", rejectUnauthorized: false });
    socket.on("error", () => undefined);
    await Promise.race([new Promise((resolve) => socket.once("secureConnect", resolve)), sleep(1000)]);
    socket.destroy();
  },
  ambiguous: async () => {
    const socket = dial();
    socket.write(pick(ambiguousRequests).request);
    await sleep(50 + chance() * 100);
    socket.destroy();
  },
  noise: async () => {
    const socket = dial();
    const bytes = Buffer.from(get(pick(paths)));
    for (let n = 0; n < 4; n += 1) bytes[Math.floor(chance() * bytes.length)] = Math.floor(chance() * 256);
    socket.write(bytes);
    await sleep(chance() * 40);
    socket.destroy();
  },
};

async function repeat(kind: string, visit: () => Promise<void>): Promise<void> {
  while (!over.signal.aborted) {
    done[kind] = (done[kind] ?? 0) + 1;
    await visit();
    await sleep(chance() * 30);
  }
}

/** Some at a time: more at once is another test of the system's queue. */
async function gather(): Promise<void> {
  for (let n = 0; n < given.crowd && !over.signal.aborted; n += 1) {
    const socket = dial();
    // A part of them have begun a request.
    if (n % 3 === 0) socket.write("GET /names HTTP/1.1\r\n");
    if (n % 50 === 49) await sleep(20);
  }
}

process.once("SIGTERM", () => {
  over.abort();
  for (const socket of open) socket.resetAndDestroy();
  process.stdout.write(`${JSON.stringify(done)}\n`, () => process.exit(0));
});
void gather();
for (const [kind, visit] of Object.entries(kinds)) {
  const atOnce = kind.startsWith("slow") ? 20 : 2;
  for (let n = 0; n < atOnce; n += 1) void repeat(kind, visit);
}
