/**
 * Everything that is served as it lies in the folder: the signed registries, upstream's records, installers, other
 * files. With validators and ranges, and never compressed on the way: clients check the stored bytes.
 */
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
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
}

// What a registry consists of. Nothing else below its folder is served, whatever it is.
const registryPath =
  /^\/(?:repos\/[a-z0-9][a-z0-9_-]*\/)?(?:names|versions|public_key|packages\/\w+|policies\/\w+|tarballs\/\w[\w.+-]*\.tar|docs\/\w[\w.+-]*\.tar\.gz|installs\/(?:\w[\w.+-]*\/)*\w[\w.+-]*)$/;
const upstreamPath = /^\/(?:repos\/[a-z0-9][a-z0-9_-]*\/)?(?:public_key|packages\/\w+)$/;

/** @param targetOf what `hosts.ts` made of the request */
export async function addFileRoutes(
  app: FastifyInstance,
  targetOf: (request: FastifyRequest) => Target | undefined,
  { hex, upstream, files, filePath }: FileRoutesDependencies,
): Promise<void> {
  await app.register(fastifyStatic, {
    root: hex.path,
    serve: false,
    index: false,
    dotfiles: "ignore",
    // Records change at any sync; tarballs have validators, so asking again is cheap.
    cacheControl: false,
    setHeaders: (response) => {
      response.setHeader("cache-control", "no-cache");
      response.setHeader("x-content-type-options", "nosniff");
    },
  });

  app.get("/own/*", (request, reply) => {
    const path = pathOf(targetOf(request), "own");
    if (!registryPath.test(path)) return reply.callNotFound();
    // Mix asks for this list once per fresh home and prints the body of any error to the user.
    if (path === "/installs/hex-1.x.csv" && !hex.at(path.slice(1)).isFile()) return reply.type("text/csv").send("");
    return send(reply, hex, path);
  });

  app.get("/upstream/*", (request, reply) => {
    const path = pathOf(targetOf(request), "upstream");
    if (!upstreamPath.test(path)) return reply.callNotFound();
    return send(reply, upstream, path);
  });

  app.get("/file", (request, reply) => {
    const target = targetOf(request);
    return target?.kind === "file" ? send(reply, files, filePath(target.host, target.path)) : reply.callNotFound();
  });
}

/** By its place: a link is not followed, since in a mirror that came from git anyone may have put it there. */
function send(reply: FastifyReply, root: Place, path: string): FastifyReply {
  const place = path.replace(/^\//, "");
  if (!isHeld(root, place)) {
    reply.callNotFound();
    return reply;
  }
  return reply.sendFile(place, root.path);
}

/** Not, too, what cannot be a path in a folder, such as one that ends in a slash. */
function isHeld(root: Place, path: string): boolean {
  try {
    return root.at(path).isFile();
  } catch {
    return false;
  }
}

function pathOf(target: Target | undefined, kind: "own" | "upstream"): string {
  if (target?.kind === kind) return target.path;
  throw new MirrorError("not_found", "that path is not in this mirror");
}
