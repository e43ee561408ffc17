/**
 * The part of hex.pm's API that tells of packages, read-only: in JSON, or in Erlang's external term format for those
 * who ask for it, as Hex does. https://github.com/hexpm/specifications/blob/main/apiary.apib
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { encodeEtf, type Json } from "../hex/etf.ts";
import { howHeaders, setHeaders } from "./headers.ts";
import type { Located } from "./source.ts";

export interface ApiDependencies {
  /** The packages that are held and have all the words, as the API lists them, a hundred a page. */
  readonly searchPackages: (
    organisation: string | undefined,
    search: string,
    page: number,
  ) => Promise<readonly Json[] | undefined>;
  /** What is held of a package, as the API tells it. @param organisation undefined: hexpm itself */
  readonly describePackage: (organisation: string | undefined, name: string) => Promise<ApiAnswer | undefined>;
  readonly describeRelease: (
    organisation: string | undefined,
    name: string,
    version: string,
  ) => Promise<ApiAnswer | undefined>;
}

export interface ApiAnswer {
  readonly content: Json;
  /** What it is made of, where that is one thing. */
  readonly from?: Pick<Located, "mark" | "since">;
}

interface Params {
  readonly organisation?: string;
  readonly name: string;
  readonly version: string;
}

const erlang = "application/vnd.hex+erlang";

export function addApiRoutes(
  app: FastifyInstance,
  { searchPackages, describePackage, describeRelease }: ApiDependencies,
) {
  for (const prefix of ["/own/api", "/own/api/repos/:organisation"]) {
    app.get<{ Params: Params }>(`${prefix}/packages`, async (request, reply) => {
      const query = new URLSearchParams(/\?(.*)$/s.exec(request.originalUrl)?.[1]);
      const page = Math.max(1, Math.trunc(Number(query.get("page") ?? "1")) || 1);
      const found = await searchPackages(request.params.organisation, query.get("search") ?? "", page);
      return answer(request, reply, found === undefined ? undefined : { content: found });
    });
    app.get<{ Params: Params }>(`${prefix}/packages/:name`, async (request, reply) => {
      const { organisation, name } = request.params;
      return answer(request, reply, await describePackage(organisation, name));
    });
    app.get<{ Params: Params }>(`${prefix}/packages/:name/releases/:version`, async (request, reply) => {
      const { organisation, name, version } = request.params;
      return answer(request, reply, await describeRelease(organisation, name, version));
    });
  }
  app.get("/own/api/*", (request, reply) => answer(request, reply, undefined));
}

/** What is not there is told in the format that was asked for: the client reads the body whatever the status. */
function answer(request: FastifyRequest, reply: FastifyReply, found: ApiAnswer | undefined): FastifyReply {
  const body = found?.content ?? { status: 404, message: "this mirror does not hold that" };
  if (found?.from !== undefined) setHeaders(reply, howHeaders(found.from.mark, found.from.since ?? Date.now()));
  void reply.code(found === undefined ? 404 : 200).header("cache-control", "no-cache");
  if (request.headers.accept?.includes(erlang) === true) {
    return reply.type(erlang).send(encodeEtf(body));
  }
  return reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
}
