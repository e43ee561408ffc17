/** Git's smart HTTP protocol, read-only. https://git-scm.com/docs/http-protocol */
import type { FileHandle } from "node:fs/promises";
import { pipeline, Transform, type Readable } from "node:stream";
import { createGunzip, createInflate } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MirrorError } from "../errors.ts";
import { flushPacket, packet } from "../git/pkt-line.ts";
import { createBodyReceiver } from "../git/request-body.ts";
import { protocolVersion } from "../git/upload-pack.ts";
import { normalisePath } from "../names/git-url.ts";
import { onGone } from "../listeners.ts";
import { howHeaders, setHeaders } from "./headers.ts";
import type { GitAsking, GitSource } from "./git-source.ts";
import type { GitAction } from "./hosts.ts";

export interface GitRoutesDependencies {
  readonly git: GitSource;
  /** Makes a file for a long request, which is gone when it is closed. */
  readonly openNameless: () => Promise<FileHandle>;
}

export interface GitTarget {
  readonly host: string;
  readonly repository: string;
  readonly action: GitAction;
  readonly oid?: string;
}

// The longest requests name many commits that a client has, 50 bytes each. Bytes after decoding.
const maxRequestSize = 64 * 1024 * 1024;

export function addGitRoutes(
  app: FastifyInstance,
  targetOf: (request: FastifyRequest) => GitTarget,
  { git, openNameless }: GitRoutesDependencies,
): void {
  const receive = createBodyReceiver(openNameless);
  // The body is streamed to git, whatever its type.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, body, done) => done(null, body));

  app.get("/git/info/refs", async (request, reply) => {
    const service = new URLSearchParams(/\?(.*)$/s.exec(request.originalUrl)?.[1]).get("service");
    if (service === "git-receive-pack") throw readOnly(targetOf(request));
    if (service === "git-upload-archive") throw noArchive(targetOf(request));
    if (service !== "git-upload-pack") throw notSmart();
    const asking = askingOf(request, reply);
    const { answer, mark, since, hasServiceLine = false } = await git.advertise(asking);
    // Version 0 and 1 clients expect to be told the service first; version 2 does without.
    const isTold = hasServiceLine || asking.protocol?.includes("version=2") === true;
    const preamble = isTold ? "" : packet("# service=git-upload-pack\n") + flushPacket;
    setHeaders(reply, howHeaders(mark, since ?? Date.now()));
    return sendTo(reply.type("application/x-git-upload-pack-advertisement"), prepend(preamble, answer.output));
  });

  app.post("/git/git-upload-pack", { bodyLimit: maxRequestSize }, async (request, reply) => {
    const asking = askingOf(request, reply);
    const body = await receive(decodeBody(request), request.ip);
    onGone(reply.raw, request.raw.socket, body.discard);
    const { answer, mark, since } = await git.answer({ ...asking, body });
    if (answer.size !== undefined) void reply.header("content-length", answer.size);
    setHeaders(reply, howHeaders(mark, since ?? Date.now()));
    return sendTo(reply.type("application/x-git-upload-pack-result"), answer.output);
  });

  app.all("/git/git-receive-pack", (request) => {
    throw readOnly(targetOf(request));
  });

  app.all("/git/git-upload-archive", (request) => {
    throw noArchive(targetOf(request));
  });

  app.get("/git/dumb", () => {
    throw notSmart();
  });

  function askingOf(request: FastifyRequest, reply: FastifyReply): GitAsking {
    const { host, repository } = targetOf(request);
    const path = normalisePath(repository);
    if (path === undefined) throw new MirrorError("not_found", "that path is no repository of this mirror");
    const protocol = protocolVersion(request.headers["git-protocol"]);
    return { host, path, protocol, clients: new Set([request.ip]), signal: untilGone(request, reply) };
  }
}

function readOnly({ host, repository }: GitTarget): MirrorError {
  const path = normalisePath(repository) ?? "";
  return new MirrorError("refused", `this is a read-only mirror: push to https://${host}/${path} itself, not here.`);
}

/** What it would run writes archives of whatever it is asked for, of any size, for each who asks. */
function noArchive({ host, repository }: GitTarget): MirrorError {
  const url = `https://${host}/${normalisePath(repository) ?? ""}`;
  return new MirrorError("refused", `git archive --remote is not answered here; clone ${url}, and archive the clone`);
}

function notSmart(): MirrorError {
  return new MirrorError("not_found", "only git's smart HTTP protocol is served here; use git 1.6.6 or later.");
}

/** Aborted when the client has gone before it had its whole answer. */
function untilGone(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  onGone(reply.raw, request.raw.socket, () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** Git compresses large requests; proxies and other clients may send them in chunks. */
function decodeBody(request: FastifyRequest): Readable {
  const encoding = request.headers["content-encoding"] ?? "identity";
  const decoders = {
    identity: () => [],
    gzip: () => [createGunzip()],
    "x-gzip": () => [createGunzip()],
    deflate: () => [createInflate()],
  };
  if (!Object.hasOwn(decoders, encoding))
    throw new MirrorError("malformed", `content encoding "${encoding}" is not known here`);
  const decoder = decoders[encoding as keyof typeof decoders]();
  let size = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > maxRequestSize ? new MirrorError("too_large", "the request is too large") : null, chunk);
    },
  });
  // Whoever reads `counted` sees the errors of all of them.
  pipeline([request.raw, ...decoder, counted], () => undefined);
  return counted;
}

function prepend(text: string, output: Readable | Buffer): Readable | Buffer {
  if (Buffer.isBuffer(output)) return text === "" ? output : Buffer.concat([Buffer.from(text), output]);
  if (text !== "") output.unshift(Buffer.from(text));
  return output;
}

// As git's own server says it, to caches of HTTP/1.0 too.
const notKept = [
  ["expires", "Fri, 01 Jan 1980 00:00:00 GMT"],
  ["pragma", "no-cache"],
  ["cache-control", "no-cache, max-age=0, must-revalidate"],
] as const;

function sendTo(reply: FastifyReply, output: Readable | Buffer): FastifyReply {
  if (reply.raw.destroyed && !Buffer.isBuffer(output)) {
    // The client went away just now; nobody will read this, nor close what it is read from.
    output.destroy();
    throw new MirrorError("cancelled", "the client went away");
  }
  for (const [name, value] of notKept) void reply.header(name, value);
  return reply.send(output);
}
