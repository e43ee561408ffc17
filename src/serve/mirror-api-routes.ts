/** `/api/mirror`: what the page shows, as JSON. Described by openapi.ts, of which these routes are made. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Facts } from "../facts/facts.ts";
import { matchingPackages } from "../facts/search.ts";
import type { Activity } from "./activity.ts";
import type { LiveStreams } from "./live.ts";
import type { answers as described } from "./openapi.ts";
import type { Traffic } from "./traffic.ts";

export interface MirrorApiDependencies {
  readonly facts: Facts;
  readonly activity: Pick<Activity, "list">;
  readonly traffic: Pick<Traffic, "recent">;
  readonly live: Pick<LiveStreams, "open">;
  /** Whether whoever asked may still read what the page reads. */
  readonly mayHear: (request: FastifyRequest) => boolean;
}

type Path = keyof typeof described;
type Params = Readonly<Record<string, string>>;

export function addMirrorApiRoutes(
  app: FastifyInstance,
  { facts, activity, traffic, live, mayHear }: MirrorApiDependencies,
): void {
  const answers: Record<Path, (params: Params, search: string) => unknown> = {
    "": () => facts.overview(),
    "/packages": async (_params, search) => matchingPackages(await facts.packages(), search),
    "/packages/{repository}/{name}": ({ repository = "", name = "" }) => facts.package(repository, name),
    "/git": () => facts.git(),
    "/git/{host}/{path}": ({ host = "", "*": path = "" }) => facts.repository(host, path),
    "/files": () => facts.files(),
    "/requests": () => traffic.recent(),
    "/works": () => activity.list(),
  };
  for (const [path, answer] of Object.entries(answers)) {
    const route = path.replace("{path}", "*").replaceAll(/\{(\w+)\}/g, ":$1");
    app.get<{ Params: Params }>(`/own/api/mirror${route}`, async (request, reply) =>
      send(reply, await answer(request.params, searchOf(request))),
    );
  }
  app.get("/own/api/mirror/openapi.json", async (_request, reply) =>
    send(reply, (await import("./for-people.ts")).openApi()),
  );
  app.get("/own/api/mirror/events", { exposeHeadRoute: false }, async (request, reply) => {
    const mayStay = () => mayHear(request);
    if (searchOf(request, "as") !== "html") return live.open(reply, mayStay);
    // As the page would have it.
    const { requestPart, worksPart } = (await import("./for-people.ts")).pages;
    return live.open(reply, mayStay, { request: requestPart, works: worksPart });
  });
}

/** Of a request whose URL the routing has replaced. */
export function searchOf({ originalUrl }: FastifyRequest, name = "search"): string {
  return new URLSearchParams(/\?(.*)$/s.exec(originalUrl)?.[1]).get(name) ?? "";
}

function send(reply: FastifyReply, found: unknown): FastifyReply {
  void reply.header("cache-control", "no-store").type("application/json; charset=utf-8");
  if (found !== undefined) return reply.send(JSON.stringify(found));
  return reply.code(404).send(JSON.stringify({ status: 404, message: "this mirror does not hold that" }));
}
