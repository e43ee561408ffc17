/**
 * Documentation of releases, shown as it was made: pages of others, which must not act as ours. Each answer has a policy of
 * its own that puts it into a sandbox: with an origin that is nobody's where scripts may run, and without scripts where the
 * mirror is guarded, since what such an origin asks for comes without the session.
 */
import { mime } from "@fastify/send";
import type { FastifyInstance, FastifyReply } from "fastify";
import { LRUCache } from "lru-cache";
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";
import { MirrorError } from "../errors.ts";
import { unpackDocumentation, type Documentation } from "../hex/tar.ts";
import { isPackageName } from "../names/hex-names.ts";
import { servedName } from "../names/hex-repository.ts";
import { isVersion } from "../names/versions.ts";
import { listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";

// Of all that is kept unpacked.
const mostBytes = 96 * 1024 * 1024;

interface Params {
  readonly repository?: string;
  readonly name: string;
  readonly version: string;
  readonly "*": string;
}

export function addDocumentationRoutes(app: FastifyInstance, paths: StorePaths, isGuarded: boolean): void {
  const open = createReader();
  for (const prefix of ["/own/docs", "/own/repos/:repository/docs"]) {
    app.get<{ Params: Params }>(`${prefix}/:name/:version/*`, async (request, reply) => {
      const { repository, name, version, "*": path } = request.params;
      if (!isPackageName(name) || !isVersion(version)) return notHeld(reply);
      const registries = await listRegistries(paths);
      const registry = registries.find((each) => servedName(each.repository) === repository);
      const pages = registry === undefined ? undefined : await open(registry.docs(name, version));
      const file = path === "" ? "index.html" : path;
      const content = pages?.file(file);
      return content === undefined ? notHeld(reply) : send(reply, file, content, isGuarded || repository !== undefined);
    });
  }
}

function notHeld(reply: FastifyReply): FastifyReply {
  return reply.code(404).type("text/plain; charset=utf-8").send("this mirror does not hold that documentation\n");
}

/** @param isPrivate whether others must not read it by a page of theirs */
function send(reply: FastifyReply, file: string, content: Buffer, isPrivate: boolean): FastifyReply {
  const type = mime.getType(file) ?? "application/octet-stream";
  const sources = "default-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'none'; frame-src 'none'";
  const box = isPrivate
    ? "script-src 'none'; sandbox allow-same-origin allow-popups"
    : "script-src 'self' 'unsafe-inline'; sandbox allow-scripts allow-popups";
  void reply.header(
    "content-security-policy",
    `${sources}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; ${box}`,
  );
  // What runs in a box is asked for by an origin that is nobody's, and cannot be kept from other origins.
  if (isPrivate) void reply.header("cross-origin-resource-policy", "same-origin");
  return reply
    .header("cache-control", "no-cache")
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", "no-referrer")
    .type(/^(?:text\/|application\/(?:javascript|json))/.test(type) ? `${type}; charset=utf-8` : type)
    .send(content);
}

/** Unpacked once, while people read: one page is dozens of files. One at a time, and no more than so many bytes of all. */
function createReader(): (place: Place) => Promise<Documentation | undefined> {
  const known = new LRUCache<string, { readonly stamp: string; readonly pages: Documentation }>({
    maxSize: mostBytes,
    sizeCalculation: ({ pages }) => pages.bytes + 1,
    ttl: 600_000,
  });
  const one = pLimit(1);
  return async (place) => {
    const stats = place.isFile() ? place.look() : undefined;
    if (stats === undefined) return undefined;
    const stamp = stampFrom(stats);
    return one(async () => {
      const before = known.get(place.path);
      if (before?.stamp === stamp) return before.pages;
      const pages = await unpack(place);
      known.set(place.path, { stamp, pages });
      return pages;
    });
  };
}

/** @throws MirrorError `storage` */
async function unpack(place: Place): Promise<Documentation> {
  const bytes = (await place.read()) ?? Buffer.alloc(0);
  try {
    return await unpackDocumentation(bytes);
  } catch (cause) {
    throw new MirrorError("storage", `${place.path} cannot be unpacked`, { cause });
  }
}
