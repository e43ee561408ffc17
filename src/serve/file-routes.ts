/**
 * Everything that is served as it lies in the folder: the signed registries, upstream's records, installers, other
 * files. With validators and ranges, and never compressed on the way: clients check the stored bytes. From memory where
 * they fit in there, and from the disk where they do not.
 */
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { wantedOf } from "./conditional.ts";
import {
  answerOf,
  describeBytes,
  headersOfFiles,
  isSigned,
  policyOf,
  type Described,
  type FileMemory,
  type Freshness,
} from "./file-memory.ts";
import { howHeaders, setHeaders } from "./headers.ts";
import type { Target } from "./hosts.ts";
import type { Located, Source } from "./source.ts";
import { kindOf, type Kind } from "./traffic.ts";

export interface FileRoutesDependencies {
  /** What is known to be wrong with a file of the registry. @param isThere whether it is given to the client */
  readonly complaint: (path: string, isThere: boolean) => string | undefined;
  readonly source: Pick<Source, "registry" | "upstream" | "file">;
  readonly memory: Pick<FileMemory, "open" | "lend">;
  /** Hears which file a request is answered with, where that may be in memory, and for how long. */
  readonly onFile: (request: FastifyRequest, reply: FastifyReply, place: Place, freshness: Freshness) => void;
}

// What a registry consists of. Nothing else below its folder is served, whatever it is.
const registryPath =
  /^\/(?:repos\/[a-z0-9][a-z0-9_-]*\/)?(?:names|versions|public_key|packages\/\w+|policies\/\w[\w.-]*|tarballs\/\w[\w.+-]*\.tar|docs\/\w[\w.+-]*\.tar\.gz|installs\/(?:\w[\w.+-]*\/)*\w[\w.+-]*)$/;
const upstreamPath =
  /^\/(?:repos\/[a-z0-9][a-z0-9_-]*\/)?(?:names|versions|public_key|packages\/\w+|policies\/\w[\w.-]*)$/;

const refusals: Readonly<Record<number, string>> = { 412: "Precondition Failed\n", 416: "Range Not Satisfiable\n" };

/** Answers with a file, or what is no file: 404. */
export type SendLocated = (
  request: FastifyRequest,
  reply: FastifyReply,
  located: Located | undefined,
) => Promise<FastifyReply>;

/** @param targetOf what `hosts.ts` made of the request @returns what sends other files likewise */
export async function addFileRoutes(
  app: FastifyInstance,
  targetOf: (request: FastifyRequest) => Target | undefined,
  { source, memory, onFile, complaint }: FileRoutesDependencies,
): Promise<SendLocated> {
  await app.register(fastifyStatic, {
    // Each file is sent by its own folder.
    root: "/",
    serve: false,
    index: false,
    dotfiles: "allow",
    cacheControl: false,
    setHeaders: (response, path) => {
      const headers = { ...headersOfFiles, ...policyOf(path) };
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    },
  });
  const send: SendLocated = async (request, reply, located) =>
    sendLocated({ memory, onFile, kind: kindOf(targetOf(request)) }, request, reply, located);

  app.get("/own/*", async (request, reply) => {
    const path = pathOf(targetOf(request), "own");
    if (!registryPath.test(path)) return notFound(reply);
    const located = await source.registry(path);
    // Mix asks for this list once per fresh home and prints the body of any error to the user.
    if (path === "/installs/hex-1.x.csv" && !isThere(located)) return reply.type("text/csv").send("");
    const what = complaint(path, isThere(located));
    if (what !== undefined) request.log.warn(`a client asked for ${path}: ${what}`);
    return send(request, reply, located);
  });

  app.get("/upstream/*", async (request, reply) => {
    const path = pathOf(targetOf(request), "upstream");
    return upstreamPath.test(path) ? send(request, reply, await source.upstream(path)) : notFound(reply);
  });

  app.get("/file", async (request, reply) => {
    const target = targetOf(request);
    if (target?.kind !== "file") return notFound(reply);
    return send(request, reply, await source.file(target.host, target.path, request.originalUrl.includes("?")));
  });
  return send;
}

function isThere(located: Located | undefined): boolean {
  return located !== undefined && (!("place" in located.content) || located.content.place.isFile());
}

/** By its place: a link is not followed, since in a mirror that came from git anyone may have put it there. */
async function sendLocated(
  { memory, onFile, kind }: Pick<FileRoutesDependencies, "memory" | "onFile"> & { readonly kind: Kind },
  request: FastifyRequest,
  reply: FastifyReply,
  located: Located | undefined,
): Promise<FastifyReply> {
  if (located === undefined) return notFound(reply);
  const { content, mark, since, until } = located;
  if ("bytes" in content) {
    return sendDescribed(
      request,
      reply,
      describeBytes(request.url, content.bytes),
      howHeaders(mark, since ?? Date.now()),
    );
  }
  const { place } = content;
  const file = await memory.open(place);
  if (file !== undefined) {
    onFile(request, reply, place, { since, until, kind });
    memory.lend(file, reply.raw);
    return sendDescribed(request, reply, file, howHeaders(mark, since ?? file.file.modified.getTime()));
  }
  const found = place.isFile() ? place.look() : undefined;
  if (found === undefined) return notFound(reply);
  const how = howHeaders(mark, since ?? found.mtimeMs);
  if (isSigned(place.path)) {
    const bytes = (await place.read()) ?? Buffer.alloc(0);
    return sendDescribed(request, reply, describeBytes(place.path, bytes), how);
  }
  setHeaders(reply, how);
  return reply.sendFile(place.name, place.parent?.path);
}

function sendDescribed(
  request: FastifyRequest,
  reply: FastifyReply,
  described: Described,
  how: readonly string[],
): FastifyReply {
  const wanted = wantedOf(request.headers, described);
  if (wanted.status === 416) void reply.header("content-range", `bytes */${described.size}`);
  if (wanted.status > 400)
    return reply.code(wanted.status).type("text/plain; charset=utf-8").send(refusals[wanted.status]);
  const { status, headers, body } = answerOf(described, wanted);
  setHeaders(reply, headers);
  setHeaders(reply, how);
  return reply.code(status).send(body);
}

function notFound(reply: FastifyReply): FastifyReply {
  reply.callNotFound();
  return reply;
}

function pathOf(target: Target | undefined, kind: "own" | "upstream"): string {
  if (target?.kind === kind) return target.path;
  throw new MirrorError("not_found", "that path is not in this mirror");
}
