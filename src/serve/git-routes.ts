/** Git's smart HTTP protocol, read-only. https://git-scm.com/docs/http-protocol */
import type { FileHandle } from "node:fs/promises";
import { pipeline, Transform, type Readable } from "node:stream";
import { createGunzip, createInflate } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { flushPacket, packet } from "../git/pkt-line.ts";
import { createBodyReceiver } from "../git/request-body.ts";
import { protocolVersion, type UploadPack } from "../git/upload-pack.ts";
import { normalisePath } from "../names/git-url.ts";
import { onGone } from "../listeners.ts";
import type { GitAction } from "./hosts.ts";

export interface GitRoutesDependencies {
  readonly uploadPack: UploadPack;
  /** @returns where the bare repository lies, undefined when it is not mirrored */
  readonly findRepository: (host: string, path: string) => Promise<Place | undefined>;
  /** Makes a file for a long request, which is gone when it is closed. */
  readonly openNameless: () => Promise<FileHandle>;
}

export interface GitTarget {
  readonly host: string;
  readonly repository: string;
  readonly action: GitAction;
}

// The longest requests name many commits that a client has, 50 bytes each. Bytes after decoding.
const maxRequestSize = 64 * 1024 * 1024;

export function addGitRoutes(
  app: FastifyInstance,
  targetOf: (request: FastifyRequest) => GitTarget,
  { uploadPack, findRepository, openNameless }: GitRoutesDependencies,
): void {
  const receive = createBodyReceiver(openNameless);
  // The body is streamed to git, whatever its type.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, body, done) => done(null, body));

  app.get("/git/info/refs", async (request, reply) => {
    const service = new URLSearchParams(/\?(.*)$/s.exec(request.originalUrl)?.[1]).get("service");
    if (service === "git-receive-pack") throw readOnly(targetOf(request));
    if (service !== "git-upload-pack") throw notSmart();
    const signal = untilGone(request, reply);
    const place = await find(targetOf(request));
    const protocol = protocolVersion(request.headers["git-protocol"]);
    const { output } = await uploadPack.advertise({ place, protocol, clients: new Set([request.ip]), signal });
    // Version 0 and 1 clients expect to be told the service first; version 2 does without.
    const preamble = protocol?.includes("version=2") ? "" : packet("# service=git-upload-pack\n") + flushPacket;
    return sendTo(reply.type("application/x-git-upload-pack-advertisement"), prepend(preamble, output));
  });

  app.post("/git/git-upload-pack", { bodyLimit: maxRequestSize }, async (request, reply) => {
    const signal = untilGone(request, reply);
    const place = await find(targetOf(request));
    const body = await receive(decodeBody(request), request.ip);
    onGone(reply.raw, request.raw.socket, body.discard);
    const protocol = protocolVersion(request.headers["git-protocol"]);
    const { output, size } = await uploadPack.answer({ place, protocol, clients: new Set([request.ip]), body, signal });
    if (size !== undefined) void reply.header("content-length", size);
    return sendTo(reply.type("application/x-git-upload-pack-result"), output);
  });

  app.all("/git/git-receive-pack", (request) => {
    throw readOnly(targetOf(request));
  });

  app.get("/git/dumb", () => {
    throw notSmart();
  });

  async function find({ host, repository }: GitTarget): Promise<Place> {
    const path = normalisePath(repository);
    const place = path === undefined ? undefined : await findRepository(host, path);
    if (place !== undefined) return place;
    const shown = path === undefined ? "that path" : `https://${host}/${path}`;
    throw new MirrorError(
      "not_found",
      `${shown} is not in this mirror. To add it, run "mirror-server sync" with a mix.lock that names it.`,
    );
  }
}

function readOnly({ host, repository }: GitTarget): MirrorError {
  const path = normalisePath(repository) ?? "";
  return new MirrorError("refused", `this is a read-only mirror: push to https://${host}/${path} itself, not here.`);
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

function sendTo(reply: FastifyReply, output: Readable | Buffer): FastifyReply {
  if (reply.raw.destroyed && !Buffer.isBuffer(output)) {
    // The client went away just now; nobody will read this, nor close what it is read from.
    output.destroy();
    throw new MirrorError("cancelled", "the client went away");
  }
  return reply.header("cache-control", "no-cache, max-age=0, must-revalidate").send(output);
}
