/**
 * Health, for people, dependent containers and orchestrators. `/health` tells all to those who may hear it; `/health/live`
 * and `/health/ready` say one word, to everybody; `/health/identity` proves to the server's user whose it is, and `/health/lacking`
 * tells that user alone what clients could not be given.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MirrorError } from "../errors.ts";
import type { Health, HealthReport } from "../health/health.ts";
import type { Arrivals } from "./arrival.ts";
import type { Guard } from "./guard.ts";
import { isAskersProof, isChallenge, placeOf, proofOf } from "./identity.ts";
import type { Lacking } from "./lacking.ts";

/** What the server's user knows it by. */
export interface Identity {
  /** 64 hex digits. */
  readonly secret: string;
  /** Where its registry lies, really. */
  readonly mirror: string;
  /** Of the registry's key, by now; empty before it is signed. */
  readonly fingerprint: () => Promise<string>;
  /** Whether it fetches what it does not hold. */
  readonly pulls: boolean;
}

export interface HealthRoutesDependencies {
  readonly health: () => Promise<HealthReport>;
  /** undefined where nobody knows the server. */
  readonly identity: Identity | undefined;
  readonly arrivals: Arrivals;
  readonly lacking: Pick<Lacking, "since">;
}

export function addHealthRoutes(
  app: FastifyInstance,
  { health, identity, arrivals, lacking }: HealthRoutesDependencies,
  guard: Guard,
): void {
  app.get("/own/health", async (request, reply) => {
    const { causes: _causes, ...report } = await health();
    const hears = guard.mayHear({ authorization: request.headers.authorization });
    return send(reply, report, hears === "all" ? report : hears === "public" ? publicPart(report) : wordOf(report));
  });
  app.get("/own/health/live", (_request, reply) => reply.header("cache-control", "no-store").send({ status: "ok" }));
  app.get("/own/health/ready", async (_request, reply) => {
    const report = await health();
    return send(reply, report, wordOf(report));
  });
  app.get("/own/health/identity", async (request, reply) => {
    const challenge = questionOf(request).get("challenge") ?? "";
    if (identity === undefined) throw new MirrorError("not_found", "this server has no secret to prove itself by");
    if (!isChallenge(challenge)) throw new MirrorError("malformed", "give a challenge of 64 hex digits");
    const fingerprint = await identity.fingerprint();
    const { address, port } = arrivals.placeOf(request.raw);
    const claim = { challenge, place: placeOf(address, port), fingerprint };
    return reply.header("cache-control", "no-store").send({
      fingerprint,
      proof: proofOf(identity.secret, { ...claim, mirror: "" }),
      mirror: proofOf(identity.secret, { ...claim, mirror: identity.mirror }),
    });
  });
  app.get("/own/health/lacking", async (request, reply) => {
    const question = questionOf(request);
    const since = question.get("since") ?? "";
    const { address, port } = arrivals.placeOf(request.raw);
    const isUsers =
      identity !== undefined &&
      isAskersProof(question.get("proof") ?? "", identity.secret, { since, place: placeOf(address, port) });
    if (!isUsers) throw new MirrorError("refused", "what clients lacked is for the user who started the server");
    const lacks = await lacking.since(Number(since));
    return reply.header("cache-control", "no-store").send({ pulls: identity.pulls, lacking: lacks });
  });
}

function questionOf({ originalUrl }: FastifyRequest): URLSearchParams {
  return new URLSearchParams(/\?(.*)$/s.exec(originalUrl)?.[1]);
}

function send(reply: FastifyReply, { status }: Pick<Health, "status">, body: Partial<Health>): FastifyReply {
  return reply
    .code(status === "unhealthy" ? 503 : 200)
    .header("cache-control", "no-store")
    .send(body);
}

function wordOf({ status }: Pick<Health, "status">): Pick<Health, "status"> {
  return { status };
}

/** Counts, and no name of what is guarded: problems hold names. */
function publicPart(report: Health): Health {
  const { hex, git, fingerprints, problems } = report;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const hexpm = fingerprints.upstreams["hexpm"];
  return {
    ...report,
    hex: { ...hex, repositories: [] },
    git: { ...git, hosts: [] },
    fingerprints: { ...fingerprints, upstreams: hexpm === undefined ? {} : { hexpm } },
    upstreams_away: [],
    problems: problems.length === 0 ? [] : [`${count}; ask with the token, or run "mirror-server verify" there`],
  };
}
