/** A Hex repository on loopback: a real HTTP server over a registry that is signed with a key of its own. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { generatePrivateKey, publicKeyPem, readPrivateKey } from "../../src/hex/keys.ts";
import { wrap } from "../../src/hex/signed.ts";
import { readTarball } from "../../src/hex/tarball.ts";
import { buildRegistry } from "../../src/registry/registry.ts";
import { listenOnLoopback } from "./loopback.ts";
import type { MadeTarball } from "./tarballs.ts";

export interface HexUpstream {
  readonly url: string;
  readonly key: KeyObject;
  /** What was asked for, in order: `200 /packages/jason`. */
  readonly log: string[];
  /** The files by URL path; tests may change and remove them. */
  readonly files: Map<string, Buffer>;
  /** Called before the ordinary answer; returns true when it has answered by itself. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Signs a registry of other tarballs. */
  readonly publish: (tarballs: readonly MadeTarball[]) => void;
  readonly writePublicKey: (file: string) => Promise<string>;
}

export async function startHexUpstream(tarballs: readonly MadeTarball[]): Promise<HexUpstream> {
  const key = readPrivateKey(generatePrivateKey(), "test key");
  const files = new Map<string, Buffer>();
  const log: string[] = [];
  const server = createServer((request, response) => {
    response.once("close", () => log.push(`${response.statusCode} ${request.url}`));
    if (upstream.intercept(request, response)) return;
    answer(files.get(request.url ?? ""), request, response);
  });
  const url = await listenOnLoopback(server);
  const upstream: HexUpstream = {
    url,
    key,
    log,
    files,
    intercept: () => false,
    publish: (published) => {
      const releases = published.map(({ bytes }) => readTarball(bytes));
      const { resources } = buildRegistry({ repository: "hexpm", releases, upstream: new Map() });
      for (const [resource, payload] of resources) files.set(`/${resource}`, wrap(payload, key));
      for (const { name, version, bytes } of published) files.set(`/tarballs/${name}-${version}.tar`, bytes);
      files.set("/public_key", Buffer.from(publicKeyPem(key)));
    },
    writePublicKey: async (file) => {
      await writeFile(file, createPublicKey(key).export({ type: "spki", format: "pem" }));
      return file;
    },
  };
  upstream.publish(tarballs);
  return upstream;
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

/** As hex.pm's CDN does: validators, conditional answers, ranges for a broken download. */
function answer(bytes: Buffer | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (bytes === undefined) {
    response.writeHead(404).end("not found");
    return;
  }
  const etag = etagOf(bytes);
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304, { etag }).end();
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  if (range === null) {
    response.writeHead(200, { etag, "content-length": bytes.length }).end(bytes);
    return;
  }
  const part = bytes.subarray(Number(range[1]));
  const contentRange = `bytes ${range[1]}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(206, { etag, "content-range": contentRange, "content-length": part.length }).end(part);
}
