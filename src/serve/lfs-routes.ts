/**
 * Git LFS, download only: the batch API, which tells where each object lies, and the objects, which lie beside the repository.
 * https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { isLfsId, lfsPlace } from "../git/lfs.ts";
import type { Place } from "../disk/place.ts";
import { normalisePath } from "../names/git-url.ts";
import { parseJson } from "../text.ts";
import type { FindRepository } from "./git-source.ts";
import { notHeld } from "./git-source.ts";
import type { GitTarget } from "./git-routes.ts";
import type { SendLocated } from "./file-routes.ts";
import { held } from "./source.ts";

export interface LfsRoutesDependencies {
  readonly findRepository: FindRepository;
  /** @throws MirrorError where it is kept and not served */
  readonly requireServed: (repository: Place) => void;
  readonly isSecure: (request: FastifyRequest) => boolean;
  readonly send: SendLocated;
}

const media = "application/vnd.git-lfs+json";
// Of the longest list of objects that clients send; they send a hundred at once. Bytes.
const maxRequestSize = 4 * 1024 * 1024;
const maxObjects = 10_000;

const schema = z.object({
  operation: z.string(),
  hash_algo: z.string().default("sha256"),
  objects: z.array(z.object({ oid: z.string(), size: z.number() })).max(maxObjects),
});

/** Clients show the message that stands in it, and of any other text nothing. */
export const lfsError = { type: media, body: (text: string) => JSON.stringify({ message: text }) };

export function addLfsRoutes(
  app: FastifyInstance,
  targetOf: (request: FastifyRequest) => GitTarget,
  { findRepository, requireServed, isSecure, send }: LfsRoutesDependencies,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

  const repositoryOf = async (request: FastifyRequest): Promise<Place> => {
    const { host, repository } = targetOf(request);
    const path = normalisePath(repository);
    const place = path === undefined ? undefined : await findRepository(host, path);
    if (place === undefined) throw notHeld(host, path ?? "");
    requireServed(place);
    return place;
  };

  app.post("/git/lfs/batch", { bodyLimit: maxRequestSize }, async (request, reply) => {
    const { body } = request;
    const asked = schema.safeParse(parseJson(Buffer.isBuffer(body) ? body.toString("utf8") : "")).data;
    if (asked === undefined) throw new MirrorError("malformed", "that is no request of Git LFS's batch API");
    if (asked.operation !== "download") throw readOnly(targetOf(request));
    if (asked.hash_algo !== "sha256") throw new MirrorError("malformed", "objects are known by their SHA-256 here");
    const place = await repositoryOf(request);
    const base = baseOf(request, isSecure(request));
    const objects = asked.objects.map(({ oid, size }) =>
      isLfsId(oid) && lfsPlace(place, oid).isFile()
        ? { oid, size: lfsPlace(place, oid).look()?.size ?? size, actions: { download: { href: `${base}/${oid}` } } }
        : {
            oid,
            size,
            error: {
              code: 404,
              message: `${oid.slice(0, 80)} is not in this mirror; sync a lock that names its commit`,
            },
          },
    );
    return reply.type(media).send({ transfer: "basic", objects, hash_algo: "sha256" });
  });

  app.get("/git/lfs/object", async (request, reply) => {
    const { oid = "" } = targetOf(request);
    return send(request, reply, held(lfsPlace(await repositoryOf(request), oid)));
  });

  const refuse = (request: FastifyRequest) => {
    throw readOnly(targetOf(request));
  };
  app.all("/git/lfs/other", refuse);
  app.route({ method: ["PUT", "POST", "PATCH", "DELETE"], url: "/git/lfs/object", handler: refuse });
}

/** Where its objects are, as the client reaches this server. */
function baseOf(request: FastifyRequest, isSecure: boolean): string {
  const path = request.originalUrl.replace(/[?#].*$/s, "").replace(/\/batch$/, "");
  const isWhole = /^https?:\/\//i.test(path);
  return isWhole ? path : `${isSecure ? "https" : "http"}://${request.headers.host ?? "localhost"}${path}`;
}

function readOnly({ host, repository }: GitTarget): MirrorError {
  return new MirrorError(
    "refused",
    `this is a read-only mirror: Git LFS at https://${host}/${normalisePath(repository) ?? ""} itself takes files and locks, not here`,
  );
}
