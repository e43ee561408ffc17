/**
 * The HTTP application, apart from its sockets. A request is first given to a host's room by `hosts.ts`, as an
 * internal URL that no client can ask for by itself; from there on it is plain Fastify routing:
 *
 *   /own/…        the mirror itself: health, its CA, the signed registry, installers, the API
 *   /upstream/…   upstream's own records, as host repo.hex.pm
 *   /file         another file of some host
 *   /git/…        git of some host
 *   /unknown      a host that we hold nothing of
 */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import Fastify, {
  LogController,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { Logger } from "pino";
import { MirrorError, describeError, hasErrno, outcomeOf, type ErrorCode } from "../errors.ts";
import { onGone } from "../listeners.ts";
import { isLoopback } from "../names/addresses.ts";
import type { StorePaths } from "../store/paths.ts";
import { printable } from "../text.ts";
import { onBehalfOf } from "../via.ts";
import { addApiRoutes, type ApiDependencies } from "./api-routes.ts";
import { addFileRoutes, type FileRoutesDependencies } from "./file-routes.ts";
import { addDocumentationRoutes } from "./documentation.ts";
import type { Place } from "../disk/place.ts";
import type { FindRepository } from "./git-source.ts";
import { addLfsRoutes, lfsError } from "./lfs-routes.ts";
import { addGitRoutes, type GitRoutesDependencies } from "./git-routes.ts";
import { createGuard, isOfPage, type Tokens } from "./guard.ts";
import { addHealthRoutes, type HealthRoutesDependencies } from "./health-routes.ts";
import { findTarget, requestPlace, type KnownHosts, type Target } from "./hosts.ts";
import { Sessions } from "./sessions.ts";
import type { Lacking } from "./lacking.ts";
import type { Metrics } from "./metrics.ts";
import { addMirrorApiRoutes, type MirrorApiDependencies } from "./mirror-api-routes.ts";
import { addLoginRoutes, addPageRoutes, safeNext, sendLogin, wantsPage, type PageDependencies } from "./page-routes.ts";
import { logOver, whenOver } from "./request-log.ts";
import { kindOf, outcomeOf as outcomeOfAnswer, type Traffic } from "./traffic.ts";

export interface AppDependencies
  extends
    GitRoutesDependencies,
    FileRoutesDependencies,
    ApiDependencies,
    HealthRoutesDependencies,
    Omit<MirrorApiDependencies, "mayHear">,
    Omit<PageDependencies, "isGuarded" | "isSecure"> {
  readonly paths: StorePaths;
  readonly findRepository: FindRepository;
  /** @throws MirrorError where it is kept and not served */
  readonly requireServed: (repository: Place) => void;
  readonly logger: Logger;
  readonly hosts: KnownHosts;
  /** What guards what; undefined: everybody may read all. */
  readonly tokens: Tokens | undefined;
  /** What opens metrics besides. */
  readonly metricsTokens?: readonly string[] | undefined;
  /** Whether a request comes from this server itself, by its `Via`: then its upstream leads back here. */
  readonly isOwnRequest: (via: string) => boolean;
  /** Hears of what could not be given. */
  readonly lacking: Lacking;
  /** Whether there is no mirror just now, since another is taking its place: then nothing is known not to be there. */
  readonly isAway: () => boolean;
  /** Counts what is answered. */
  readonly traffic: Pick<Traffic, "note" | "recent">;
  /** What Prometheus reads; undefined: it is asked for elsewhere. */
  readonly metrics: (() => Promise<Metrics>) | undefined;
  /** The port of HTTPS, once it is known. */
  readonly tlsPort: () => number | undefined;
  /** Called when the application ends. */
  readonly onClose: () => void;
  /** What clients have to trust, PEM; undefined when only HTTP is served, or they trust it as it is. */
  readonly caCertificate: () => string | undefined;
}

export async function buildApp(dependencies: AppDependencies): Promise<FastifyInstance> {
  const targets = new WeakMap<IncomingMessage, Target>();
  const app = Fastify({
    loggerInstance: dependencies.logger,
    trustProxy: dependencies.arrivals.isTrustedProxy,
    // Compilers for schemas take long to load, and no route here has one.
    schemaController: { compilersFactory: { buildValidator: refuseSchemas, buildSerializer: refuseSchemas } },
    logController: new LogController({ disableRequestLogging: true }),
    rewriteUrl: (request) => {
      const { host, path } = requestPlace(request.url ?? "/", request.headers.host);
      const target = findTarget(host, path, dependencies.hosts);
      targets.set(request, target);
      return internalUrl(target);
    },
  }) as unknown as FastifyInstance;

  app.addHook("onClose", async () => dependencies.onClose());
  watchRequests(app, (request) => targets.get(request), dependencies);
  // What an answer is read from goes with whoever was to have it.
  app.addHook("onSend", (request, reply, payload, done) => {
    if (payload instanceof Readable) onGone(reply.raw, request.raw.socket, () => payload.destroy());
    done();
  });
  // Of clients on this machine, for who started them.
  const lacks = ({ raw, method, ip }: FastifyRequest, error: Pick<MirrorError, "code" | "message">) => {
    if (method === "GET" && isLoopback(ip)) dependencies.lacking.note(targets.get(raw), error);
  };
  app.setErrorHandler(async (thrown: FastifyError | Error, request, reply) => {
    const isGone = thrown instanceof MirrorError && thrown.code === "not_found" && dependencies.isAway();
    const error = isGone ? away() : thrown;
    if (error instanceof MirrorError) lacks(request, error);
    const target = targets.get(request.raw);
    // A browser would ask for a name and a password, in a window of its own, and keep the token.
    const isPage = target?.kind === "own" && isOfPage(target.path) && wantsPage(request);
    if (isPage && error instanceof MirrorError && error.code === "unauthorized")
      return sendLogin(request, reply.code(401), { isWrong: false, next: safeNext(request.originalUrl) });
    const isLfs = target?.kind === "git" && target.action.startsWith("lfs/");
    return sendError(error, request, reply, isLfs ? lfsError : plainError);
  });
  app.setNotFoundHandler((request, reply) => {
    if (dependencies.isAway()) return sendError(away(), request, reply, plainError);
    const message = printable(notFoundText(targets.get(request.raw)));
    lacks(request, { code: "not_found", message });
    return sendNotFound(message, request, reply);
  });
  const targetOf = (request: FastifyRequest) => targets.get(request.raw);
  app.addHook("onRequest", ({ headers: { via } }, _reply, done) => {
    if (via === undefined) done();
    else if (dependencies.isOwnRequest(via)) done(loop());
    else onBehalfOf(via, done);
  });
  const sessions = new Sessions();
  const { tokens, metricsTokens } = dependencies;
  const guard = createGuard({ tokens, metricsTokens, sessions });
  if (tokens !== undefined || metricsTokens !== undefined) {
    app.addHook("onRequest", async (request) => {
      const { authorization, cookie } = request.headers;
      guard.check(targetOf(request), { authorization, cookie });
    });
  }
  addHealthRoutes(app, dependencies, guard);
  addOwnRoutes(app, dependencies);
  addApiRoutes(app, dependencies);
  const mayHear = (request: FastifyRequest) => {
    try {
      const { authorization, cookie } = request.headers;
      guard.check(targetOf(request), { authorization, cookie });
      return true;
    } catch {
      return false;
    }
  };
  addMirrorApiRoutes(app, { ...dependencies, mayHear });
  const isSecure = ({ protocol, raw }: FastifyRequest) => {
    const tlsPort = dependencies.tlsPort();
    const isAtTls = tlsPort !== undefined && dependencies.arrivals.placeOf(raw).port === tlsPort;
    return isAtTls || protocol === "https";
  };
  const isGuarded = tokens !== undefined;
  addPageRoutes(app, { ...dependencies, isGuarded, isSecure });
  addDocumentationRoutes(app, dependencies.paths, isGuarded);
  if (isGuarded) await app.register(async (scope) => addLoginRoutes(scope, { guard, sessions, isSecure }));
  if (dependencies.metrics !== undefined) addMetricsRoute(app, dependencies.metrics);
  const send = await addFileRoutes(app, targetOf, dependencies);
  await app.register(async (scope) => {
    addLfsRoutes(scope, (request) => gitTargetOf(targetOf(request)), { ...dependencies, isSecure, send });
  });
  await app.register(async (scope) => {
    addGitRoutes(scope, (request) => gitTargetOf(targetOf(request)), dependencies);
  });
  await app.ready();
  return app;
}

function away(): MirrorError {
  return new MirrorError("busy", "the mirror is not here just now: another is taking its place; ask again");
}

function loop(): MirrorError {
  return new MirrorError(
    "loop",
    "this request is this mirror's own: whom it asks for what it does not hold leads back to it. Correct --upstream or " +
      "--hex-url, or what its name server says of these hosts",
  );
}

function refuseSchemas(): never {
  throw new Error("routes here have no schemas");
}

/** Counts each request, and logs it. */
function watchRequests(
  app: FastifyInstance,
  targetOf: (request: IncomingMessage) => Target | undefined,
  { logger, traffic }: Pick<AppDependencies, "logger" | "traffic">,
): void {
  const isLogged = logger.isLevelEnabled("info");
  app.addHook("onRequest", (request, reply, done) => {
    const { raw, originalUrl: url, log, method } = request;
    whenOver({ request: raw, response: reply.raw }, (over) => {
      if (isLogged) logOver(log, { request: raw, response: reply.raw, url, client: () => request.ip }, over);
      const { status, bytes, ms, isWhole } = over;
      const outcome = outcomeOfAnswer(status, reply.getHeader("x-mirror"), isWhole);
      const { host } = raw.headers;
      traffic.note({ kind: kindOf(targetOf(raw)), outcome, at: Date.now(), method, url, host, status, bytes, ms });
    });
    done();
  });
}

function internalUrl(target: Target): string {
  switch (target.kind) {
    case "own":
    case "upstream":
      return `/${target.kind}${target.path.split("/").map(encodeURIComponent).join("/")}`;
    case "file":
      return "/file";
    case "git":
      return `/git/${target.action}`;
    case "unknown":
      return "/unknown";
  }
}

function gitTargetOf(target: Target | undefined): Extract<Target, { kind: "git" }> {
  if (target?.kind !== "git") throw new MirrorError("not_found", "not a git request");
  return target;
}

function addOwnRoutes(app: FastifyInstance, { caCertificate }: AppDependencies): void {
  app.get("/own/ca.pem", (_request, reply) => {
    const pem = caCertificate();
    if (pem === undefined) throw new MirrorError("not_found", "this mirror has no authority of its own");
    return reply.type("application/x-pem-file").send(pem);
  });
}

function addMetricsRoute(app: FastifyInstance, metrics: () => Promise<Metrics>): void {
  app.get("/own/metrics", async (_request, reply) => {
    const { contentType, text } = await metrics();
    return reply
      .header("cache-control", "no-store")
      .type(contentType)
      .send(await text());
  });
}

/** Wherever the system ran out of descriptors: nothing is wrong with what was asked for. */
function asOurs(error: FastifyError | Error): FastifyError | Error {
  const isFull = [error, error.cause].some((each) => hasErrno(each, "EMFILE", "ENFILE"));
  return isFull ? new MirrorError("busy", "the system has no room for another open file") : error;
}

const ofOthers: ReadonlySet<ErrorCode> = new Set(["away", "upstream", "integrity", "loop"]);

/** How clients are told of an error. */
interface ErrorFormat {
  readonly type: string;
  readonly body: (text: string) => string;
}

/** Git and Hex show it to the user as it stands. */
const plainError: ErrorFormat = { type: "text/plain; charset=utf-8", body: (text) => `${text}\n` };

function sendError(
  cause: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  { type, body }: ErrorFormat,
): FastifyReply {
  const error = asOurs(cause);
  const isOurs = error instanceof MirrorError;
  const clientStatus =
    !isOurs && "statusCode" in error && (error.statusCode ?? 500) < 500 ? error.statusCode : undefined;
  const status = clientStatus ?? outcomeOf(error).status;
  // Of a client that has gone its own line in the log tells enough.
  const isGone = reply.raw.destroyed || request.raw.socket.destroyed || (isOurs && error.code === "cancelled");
  const isBusy = isOurs && error.code === "busy";
  // What is wrong with upstream is no fault of ours, and told where it is asked.
  const isOfOthers = isOurs && ofOthers.has(error.code);
  if (isBusy || isOfOthers) request.log.warn(describeError(error));
  else if (status >= 500 && !isGone) request.log.error({ err: error }, describeError(error));
  if (isBusy) void reply.header("retry-after", "2");
  // A browser's script that asks is not helped by a window that asks for a name.
  if (status === 401 && request.headers["sec-fetch-mode"] === undefined)
    void reply.header("www-authenticate", 'Basic realm="mirror-server", charset="UTF-8"');
  // The rest of a request that was refused is not waited for.
  if (!request.raw.complete) void reply.header("connection", "close");
  // What went wrong on the disk names its paths, which are nobody's business.
  const isTold = (isOurs && error.code !== "storage") || clientStatus !== undefined;
  const text = isTold ? error.message : "the mirror failed; its log tells why";
  return reply
    .code(status)
    .type(type)
    .send(body(printable(text)));
}

function sendNotFound(text: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead) {
    const refusal = `this is a read-only mirror: ${request.method} is not allowed here\n`;
    return reply.code(405).header("allow", "GET, HEAD").type("text/plain; charset=utf-8").send(refusal);
  }
  return reply.code(404).type("text/plain; charset=utf-8").send(`${text}\n`);
}

const thatPath = "that path is not in this mirror";

function notFoundText(target: Target | undefined): string {
  switch (target?.kind) {
    case "unknown":
      if (target.host === "") return thatPath;
      return `this mirror holds nothing of the host ${target.host}; where that is a name of the mirror itself, serve it with --name ${target.host}`;
    case "file":
      return `https://${target.host}${target.path} is not in this mirror; to add it, name it under "files" in mirror.config.json and sync`;
    case "upstream":
      if (!/\/(?:names|versions)$/.test(target.path)) return `${target.path} is not in this mirror`;
      return `upstream's list of all packages is no part of this mirror; sync --lists keeps it, and the mirror's own is ${target.path} of the mirror itself`;
    case "own":
      if (!target.path.startsWith("/installs/")) return `${target.path} is not in this mirror`;
      return `${target.path} is not in this mirror; online, "mirror-server sync --installers" fetches what mix local.hex and local.rebar ask for`;
    default:
      return thatPath;
  }
}
