/**
 * The page of a mirror's own names, for people: made on the server of what `/api/mirror` tells, by templates that are loaded
 * when the first one asks. Strict in what a browser may do with it, compressed, and kept by nobody.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { VNode } from "preact";
import type { Facts } from "../facts/facts.ts";
import type { Frame } from "../page/layout.tsx";
import type { ClientSnippet } from "../page/clients.tsx";
import { assets } from "../page/assets.ts";
import type * as PagesModule from "../page/pages.tsx";
import type { Activity } from "./activity.ts";
import type { Guard } from "./guard.ts";
import { matchingFiles, matchingGit, matchingPackages } from "../facts/search.ts";
import type { MirrorOverview } from "../facts/shape.ts";
import { stateOf } from "./live.ts";
import { searchOf } from "./mirror-api-routes.ts";
import type { Sessions } from "./sessions.ts";
import type { Traffic } from "./traffic.ts";

export interface PageDependencies {
  readonly facts: Facts;
  readonly activity: Pick<Activity, "list">;
  readonly traffic: Pick<Traffic, "recent">;
  readonly isGuarded: boolean;
  /** Whether a request came by HTTPS. */
  readonly isSecure: (request: FastifyRequest) => boolean;
  /** How clients are pointed at a server that is reached so. @param url without a slash at the end */
  readonly snippets: (url: string) => Promise<readonly ClientSnippet[]>;
  /** undefined: it shows no certificate of an authority of its own. */
  readonly caCertificate: () => string | undefined;
}

const policy =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'";

const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);
// Smaller than a packet, compression makes nothing faster.
const smallest = 1024;
// Milliseconds.
const wrongPause = 300;

type Pages = typeof PagesModule;

export function addPageRoutes(app: FastifyInstance, dependencies: PageDependencies): void {
  const { facts, activity, traffic, isGuarded } = dependencies;
  const show = async (
    request: FastifyRequest,
    reply: FastifyReply,
    make: (pages: Pages, frame: Frame, seen: MirrorOverview) => Promise<VNode | undefined>,
  ) => {
    const { pages } = await import("./for-people.ts");
    const seen = await facts.overview();
    const frame = { version: seen.version, mode: seen.mode, isLoggedIn: isGuarded };
    const page = await make(pages, frame, seen);
    if (page !== undefined) return sendPage(request, reply, pages.render(page));
    return sendPage(request, reply.code(404), pages.render(pages.notHeld("that", frame)));
  };

  app.get("/own/", async (request, reply) => {
    void reply.header("vary", "accept");
    if (wantsPage(request))
      return show(request, reply, async (pages, frame, seen) => pages.status({ seen, state: stateOf(seen), frame }));
    const overview = JSON.stringify(await facts.overview());
    return reply.header("cache-control", "no-store").type("application/json; charset=utf-8").send(overview);
  });
  for (const path of ["/own/ui", "/own/ui/"]) app.get(path, async (_request, reply) => reply.redirect("/", 302));
  app.get("/own/ui/packages", async (request, reply) =>
    show(request, reply, async (pages, frame) => {
      const all = await facts.packages();
      const search = searchOf(request);
      return pages.packages({ packages: matchingPackages(all, search), total: all.length, search, frame });
    }),
  );
  app.get<{ Params: { repository: string; name: string } }>(
    "/own/ui/packages/:repository/:name",
    async (request, reply) =>
      show(request, reply, async (pages, frame) => {
        const { repository, name } = request.params;
        const found = await facts.package(repository, name);
        return found === undefined ? undefined : pages.onePackage({ of: found, frame });
      }),
  );
  app.get("/own/ui/git", async (request, reply) =>
    show(request, reply, async (pages, frame) => {
      const all = await facts.git();
      const search = searchOf(request);
      const repositories = matchingGit(all, search);
      return pages.git({ repositories, total: all.length, search, frame });
    }),
  );
  app.get<{ Params: { host: string; "*": string } }>("/own/ui/git/:host/*", async (request, reply) =>
    show(request, reply, async (pages, frame) => {
      const found = await facts.repository(request.params.host, request.params["*"]);
      return found === undefined ? undefined : pages.repository({ of: found, frame });
    }),
  );
  app.get("/own/ui/files", async (request, reply) =>
    show(request, reply, async (pages, frame) => {
      const search = searchOf(request);
      const files = matchingFiles(await facts.files(), search);
      return pages.files({ files, search, frame });
    }),
  );
  app.get("/own/ui/clients", async (request, reply) =>
    show(request, reply, async (pages, frame, { fingerprints }) => {
      const url = `${dependencies.isSecure(request) ? "https" : "http"}://${hostOf(request)}`;
      const snippets = await dependencies.snippets(url);
      const hasAuthority = dependencies.caCertificate() !== undefined;
      return pages.clients({ url, snippets, fingerprints, isGuarded, hasAuthority, frame });
    }),
  );
  app.get("/own/ui/live", async (request, reply) =>
    show(request, reply, async (pages, frame) =>
      pages.live({ works: activity.list(), requests: traffic.recent(), frame }),
    ),
  );
  for (const { name, type, read } of assets) {
    app.get(`/own/ui/assets/${name}`, async (request, reply) => {
      const content = await read();
      void reply.header("cache-control", "no-cache").header("x-content-type-options", "nosniff").type(type);
      return compressed(request, reply, content);
    });
  }
}

/** How one logs in, where tokens guard the mirror. */
export function addLoginRoutes(
  app: FastifyInstance,
  {
    guard,
    sessions,
    isSecure,
  }: { readonly guard: Pick<Guard, "isToken">; readonly sessions: Sessions } & Pick<PageDependencies, "isSecure">,
): void {
  app.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string", bodyLimit: 8192 },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  );
  app.get("/own/login", async (request, reply) => sendLogin(request, reply, { isWrong: false, next: "/" }));
  app.post("/own/login", async (request, reply) => {
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const next = safeNext(form.get("next"));
    if (!guard.isToken(form.get("token") ?? "")) {
      // Who guesses is to wait.
      await sleep(wrongPause);
      return sendLogin(request, reply.code(401), { isWrong: true, next });
    }
    return reply.header("set-cookie", sessions.begin(isSecure(request))).redirect(next, 303);
  });
  app.post("/own/logout", async (request, reply) =>
    reply.header("set-cookie", sessions.end(request.headers.cookie, isSecure(request))).redirect("/login", 303),
  );
}

/** In place of a page that a token guards. */
export async function sendLogin(
  request: FastifyRequest,
  reply: FastifyReply,
  form: { readonly isWrong: boolean; readonly next: string },
): Promise<FastifyReply> {
  const { pages } = await import("./for-people.ts");
  return sendPage(request, reply, pages.render(pages.login(form)));
}

/** Whether whoever asks is a browser that shows a page. */
export function wantsPage({ headers: { accept = "" } }: FastifyRequest): boolean {
  return accept.includes("text/html");
}

/** Where one wanted to go: a path of this server's, and of nobody else's. */
export function safeNext(next: string | null): string {
  return next !== null && /^\/(?![/\\])[\w\-./?=&%:@+]*$/.test(next) ? next : "/";
}

async function sendPage(request: FastifyRequest, reply: FastifyReply, page: string): Promise<FastifyReply> {
  void reply
    .header("content-security-policy", policy)
    .header("referrer-policy", "no-referrer")
    .header("x-content-type-options", "nosniff")
    .header("cache-control", "no-store")
    .type("text/html; charset=utf-8");
  return compressed(request, reply, Buffer.from(page));
}

async function compressed(request: FastifyRequest, reply: FastifyReply, content: Buffer): Promise<FastifyReply> {
  void reply.header("vary", "accept, accept-encoding");
  const accepted = [request.headers["accept-encoding"] ?? ""].flat().join();
  if (content.length < smallest) return reply.send(content);
  if (/\bbr\b/.test(accepted)) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 5 };
    return reply.header("content-encoding", "br").send(await brotlied(content, { params }));
  }
  if (/\bgzip\b/.test(accepted)) return reply.header("content-encoding", "gzip").send(await gzipped(content));
  return reply.send(content);
}

/** As the browser says; what is no host is nobody's. */
function hostOf({ headers: { host = "" } }: FastifyRequest): string {
  return /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host) ? host : "localhost";
}
