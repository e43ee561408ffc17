/**
 * An upstream behind a bad network: a Hex repository and git repositories (git's own http-backend) on loopback, of whose
 * answers a share goes wrong. Which ones, and how, follows from a seed and from what is asked for the how many-th time, and
 * from nothing else: not from who is faster.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { chances } from "./chances.ts";

export const faults = [
  "resets",
  "cuts",
  "429 and 5xx",
  "corrupt",
  "truncated",
  "portal pages",
  "stalls",
  "trickles",
] as const;
export type Fault = (typeof faults)[number];

export interface BadNetwork {
  readonly url: string;
  /** Bytes of answers that were sent so far. */
  readonly bytes: () => number;
  /** How many answers were given, and how many of them went wrong. */
  readonly answers: () => { readonly all: number; readonly bad: number };
  readonly close: () => void;
}

interface Settings {
  /** Answers of the Hex repository by URL path. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Served below /git/. */
  readonly gitRoot: string;
  /** Divided evenly; none: a good network. */
  readonly mix: readonly Fault[];
  /** Of answers, from 0 to 1. */
  readonly share: number;
  readonly seed: number;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export async function startBadNetwork({ files, gitRoot, mix, share, seed }: Settings): Promise<BadNetwork> {
  const asked = new Map<string, number>();
  let bytes = 0;
  let all = 0;
  let bad = 0;
  const send = (response: ServerResponse, chunk: Buffer) => {
    bytes += chunk.length;
    response.write(chunk);
  };
  const server = createServer((request, response) => {
    const question = `${request.method} ${request.url}`;
    const nth = (asked.get(question) ?? 0) + 1;
    asked.set(question, nth);
    const chance = chances(`${seed} ${question} ${nth}`);
    const fault = chance() < share ? mix[Math.floor(chance() * mix.length)] : undefined;
    all += 1;
    if (fault !== undefined) bad += 1;
    const answered =
      request.url?.startsWith("/git/") === true ? gitAnswer(gitRoot, request) : fileAnswer(files, request);
    void answered.then(async (answer) => {
      if (fault === undefined) {
        response.writeHead(answer.status, answer.headers);
        send(response, answer.body);
        response.end();
      } else await spoil(fault, answer, { request, response, chance, send });
    });
  });
  // Those who are hung up on say so.
  server.on("clientError", (_error, socket) => socket.destroy());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => bytes,
    answers: () => ({ all, bad }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Spoiling {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly chance: () => number;
  readonly send: (response: ServerResponse, chunk: Buffer) => void;
}

async function spoil(fault: Fault, answer: Answer, { request, response, chance, send }: Spoiling): Promise<void> {
  const { status, headers, body } = answer;
  const half = body.subarray(0, body.length >> 1);
  const whole = { ...headers, "content-length": String(body.length) };
  switch (fault) {
    case "resets":
      request.socket.resetAndDestroy();
      return;
    case "cuts":
      response.writeHead(status, whole);
      send(response, half);
      await sleep(20);
      response.destroy();
      return;
    case "429 and 5xx": {
      const code = [429, 500, 502, 503, 504][Math.floor(chance() * 5)] ?? 503;
      response.writeHead(code, code === 429 || code === 503 ? { "retry-after": "1" } : {}).end("busy");
      return;
    }
    case "corrupt": {
      const corrupt = Buffer.from(body);
      const at = Math.floor(chance() * body.length);
      corrupt[at] = (corrupt[at] ?? 0) ^ 0x55;
      response.writeHead(status, whole);
      send(response, corrupt);
      response.end();
      return;
    }
    case "truncated":
      response.writeHead(status, { ...headers, "content-length": String(half.length) });
      send(response, half);
      response.end();
      return;
    case "portal pages":
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
      send(response, Buffer.from("<!DOCTYPE html><html><body>Sign in to go on</body></html>"));
      response.end();
      return;
    case "stalls":
      if (chance() < 0.5) return;
      response.writeHead(status, whole);
      send(response, half);
      return;
    case "trickles":
      response.writeHead(status, whole);
      for (const byte of body) {
        if (response.closed) return;
        send(response, Buffer.from([byte]));
        await sleep(1000);
      }
      response.end();
  }
}

/** As a CDN does: validators, conditional answers, ranges. */
async function fileAnswer(files: ReadonlyMap<string, Buffer>, { url = "", headers }: IncomingMessage): Promise<Answer> {
  const file = files.get(url);
  if (file === undefined) return { status: 404, headers: {}, body: Buffer.from("not found") };
  const etag = `"${createHash("sha256").update(file).digest("hex").slice(0, 16)}"`;
  if (headers["if-none-match"] === etag) return { status: 304, headers: { etag }, body: Buffer.alloc(0) };
  const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? "") ?? [];
  const isSame = headers["if-range"] === undefined || headers["if-range"] === etag;
  if (from === undefined || !isSame) return { status: 200, headers: { etag }, body: file };
  const range = `bytes ${from}-${file.length - 1}/${file.length}`;
  return { status: 206, headers: { etag, "content-range": range }, body: file.subarray(Number(from)) };
}

async function gitAnswer(root: string, request: IncomingMessage): Promise<Answer> {
  const { pathname, search } = new URL(request.url ?? "/", "http://upstream");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      HOME: "/nonexistent",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      PATH_INFO: pathname.slice("/git".length),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => undefined);
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(child, "close");
  const output = Buffer.concat(chunks);
  const end = output.indexOf("\r\n\r\n");
  const lines = output.toString("latin1", 0, Math.max(end, 0)).split("\r\n");
  const fields = lines.map((line) => line.split(": ")).filter(([name]) => name !== "" && name !== "Status");
  const status = Number(lines.find((line) => line.startsWith("Status: "))?.slice("Status: ".length, 11) ?? 200);
  return { status, headers: Object.fromEntries(fields) as Record<string, string>, body: output.subarray(end + 4) };
}
