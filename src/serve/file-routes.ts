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
import { answerOf, headersOfFiles, type FileMemory } from "./file-memory.ts";
import type { Target } from "./hosts.ts";

export interface FileRoutesDependencies {
  /** The folder that the registry is served from. */
  readonly hex: Place;
  /** The folder with upstream's own records of hexpm. */
  readonly upstream: Place;
  /** The folder with other files. */
  readonly files: Place;
  /** Where below that folder a host's file lies. */
  readonly filePath: (host: string, path: string) => string;
  readonly memory: Pick<FileMemory, "open" | "lend">;
  /** Hears which file a request is answered with, where that may be in memory. */
  readonly onFile: (request: FastifyRequest, reply: FastifyReply, place: Place) => void;
}

// What a registry consists of. Nothing else below its folder is served, whatever it is.
const registryPath =
  /^\/(?:repos\/[a-z0-9][a-z0-9_-]*\/)?(?:names|versions|public_key|packages\/\w+|policies\/\w+|tarballs\/\w[\w.+-]*\.tar|docs\/\w[\w.+-]*\.tar\.gz|installs\/(?:\w[\w.+-]*\/)*\w[\w.+-]*)$/;
const upstreamPath = /^\/(?:repos\/[a-z0-9][a-z0-9_-]*\/)?(?:public_key|packages\/\w+)$/;

const refusals: Readonly<Record<number, string>> = { 412: "Precondition Failed\n", 416: "Range Not Satisfiable\n" };

/** @param targetOf what `hosts.ts` made of the request */
export async function addFileRoutes(
  app: FastifyInstance,
  targetOf: (request: FastifyRequest) => Target | undefined,
  { hex, upstream, files, filePath, memory, onFile }: FileRoutesDependencies,
): Promise<void> {
  await app.register(fastifyStatic, {
    root: hex.path,
    serve: false,
    index: false,
    dotfiles: "ignore",
    cacheControl: false,
    setHeaders: (response) => {
      for (const [name, value] of Object.entries(headersOfFiles)) response.setHeader(name, value);
    },
  });
  const send = (request: FastifyRequest, reply: FastifyReply, root: Place, path: string) =>
    sendFile({ memory, onFile }, request, reply, root, path);

  app.get("/own/*", (request, reply) => {
    const path = pathOf(targetOf(request), "own");
    if (!registryPath.test(path)) return reply.callNotFound();
    // Mix asks for this list once per fresh home and prints the body of any error to the user.
    if (path === "/installs/hex-1.x.csv" && !hex.at(path.slice(1)).isFile()) return reply.type("text/csv").send("");
    return send(request, reply, hex, path);
  });

  app.get("/upstream/*", (request, reply) => {
    const path = pathOf(targetOf(request), "upstream");
    if (!upstreamPath.test(path)) return reply.callNotFound();
    return send(request, reply, upstream, path);
  });

  app.get("/file", (request, reply) => {
    const target = targetOf(request);
    return target?.kind === "file"
      ? send(request, reply, files, filePath(target.host, target.path))
      : reply.callNotFound();
  });
}

/** By its place: a link is not followed, since in a mirror that came from git anyone may have put it there. */
async function sendFile(
  { memory, onFile }: Pick<FileRoutesDependencies, "memory" | "onFile">,
  request: FastifyRequest,
  reply: FastifyReply,
  root: Place,
  asked: string,
): Promise<FastifyReply> {
  const path = asked.replace(/^\//, "");
  const place = placeOf(root, path);
  if (place === undefined) return notFound(reply);
  const file = await memory.open(place);
  if (file === undefined) return place.isFile() ? reply.sendFile(path, root.path) : notFound(reply);
  const wanted = wantedOf(request.headers, file);
  if (wanted.status === 416) void reply.header("content-range", `bytes */${file.size}`);
  if (wanted.status > 400)
    return reply.code(wanted.status).type("text/plain; charset=utf-8").send(refusals[wanted.status]);
  onFile(request, reply, place);
  const { status, headers, body } = answerOf(file, wanted);
  memory.lend(file, reply.raw);
  for (let n = 0; n < headers.length; n += 2) void reply.header(headers[n] ?? "", headers[n + 1]);
  return reply.code(status).send(body);
}

function notFound(reply: FastifyReply): FastifyReply {
  reply.callNotFound();
  return reply;
}

/** undefined for what cannot be a path in a folder, such as one that ends in a slash. */
function placeOf(root: Place, path: string): Place | undefined {
  try {
    return root.at(path);
  } catch {
    return undefined;
  }
}

function pathOf(target: Target | undefined, kind: "own" | "upstream"): string {
  if (target?.kind === kind) return target.path;
  throw new MirrorError("not_found", "that path is not in this mirror");
}
