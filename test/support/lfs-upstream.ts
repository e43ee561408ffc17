/** A Git LFS server beside a git upstream: the batch API, and the objects under addresses of their own. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { GitUpstream } from "./git.ts";

export interface LfsUpstream {
  /** By id; tests may change them. */
  readonly objects: Map<string, Buffer>;
  /** Which were downloaded, in order. */
  readonly asked: string[];
  /** `user:password` that it wants; undefined: it is for everybody. */
  login: string | undefined;
}

export function serveLfs(upstream: GitUpstream, contents: readonly Buffer[]): LfsUpstream {
  const objects = new Map(contents.map((bytes) => [createHash("sha256").update(bytes).digest("hex"), bytes]));
  const lfs: LfsUpstream = { objects, asked: [], login: undefined };
  upstream.intercept = (request, response) => {
    const url = request.url ?? "";
    if (url.endsWith(".git/info/lfs/objects/batch")) {
      const wanted = lfs.login === undefined ? undefined : `Basic ${Buffer.from(lfs.login).toString("base64")}`;
      if (wanted !== undefined && request.headers.authorization !== wanted) response.writeHead(401).end("{}");
      else void answerBatch(upstream.url, objects, request, response);
      return true;
    }
    const [, oid] = /^\/objects\/([0-9a-f]{64})\?signed$/.exec(url) ?? [];
    const bytes = oid === undefined ? undefined : objects.get(oid);
    if (oid === undefined || bytes === undefined) return false;
    lfs.asked.push(oid);
    const isSigned = request.headers["x-signed"] === "yes";
    response
      .writeHead(isSigned ? 200 : 403, { "content-length": isSigned ? bytes.length : 0 })
      .end(isSigned ? bytes : "");
    return true;
  };
  return lfs;
}

async function answerBatch(
  url: string,
  objects: ReadonlyMap<string, Buffer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const asked = JSON.parse(Buffer.concat(chunks).toString()) as { objects: { oid: string; size: number }[] };
  const found = asked.objects.map(({ oid, size }) =>
    objects.has(oid)
      ? { oid, size, actions: { download: { href: `${url}/objects/${oid}?signed`, header: { "X-Signed": "yes" } } } }
      : { oid, size, error: { code: 404, message: "no such object" } },
  );
  response.writeHead(200, { "content-type": "application/vnd.git-lfs+json" }).end(JSON.stringify({ objects: found }));
}
