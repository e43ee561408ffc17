/** A Hex repository on loopback: a real HTTP server over a registry that is signed with a key of its own. */
import { create, toBinary } from "@bufbuild/protobuf";
import { createHash, createPublicKey, sign, type KeyObject } from "node:crypto";
import { gzipSync } from "node:zlib";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { generatePrivateKey, publicKeyPem, readPrivateKey } from "../../src/hex/keys.ts";
import { createPackage, type Package, type PackageInit, type ReleaseInit } from "../../src/hex/records.ts";
import { SignedSchema } from "../../src/hex/gen/registry_pb.ts";
import { encodePolicy } from "../../src/hex/policies.ts";
import type { PolicyText } from "../../src/names/policy-rules.ts";
import { readTarball } from "../../src/hex/tarball.ts";
import { buildRegistry } from "./registry.ts";
import { listenOnLoopback, switchable } from "./loopback.ts";
import type { MadeTarball } from "./tarballs.ts";

export interface HexUpstream {
  readonly url: string;
  readonly key: KeyObject;
  /** What was asked for, in order: `200 /packages/jason`. */
  readonly log: string[];
  /** The last `Authorization` by URL path. */
  readonly authorizations: Map<string, string | undefined>;
  /** The files by URL path; tests may change and remove them. */
  readonly files: Map<string, Buffer>;
  /** Called before the ordinary answer; returns true when it has answered by itself. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Signs a registry of other tarballs. */
  readonly publish: (tarballs: readonly MadeTarball[], options?: PublishOptions) => void;
  /** Signs a dependency policy of an organisation's, for who sends its token; absent: for anybody. */
  readonly publishPolicy: (policy: PolicyText, token?: string) => void;
  readonly writePublicKey: (file: string) => Promise<string>;
  /** As when its machine is off, and when it is there again. */
  readonly off: () => Promise<void>;
  readonly on: () => Promise<void>;
}

export interface PublishOptions {
  /** Publishes below /repos/NAME instead, and answers only those who send the token. */
  readonly organisation?: { readonly name: string; readonly token: string };
  /** The name that its records carry, when it is neither hexpm nor the organisation's. */
  readonly repository?: string;
  /** What upstream says of a package besides what its tarballs say: retirements, advisories, times. */
  readonly upstream?: ReadonlyMap<string, Package>;
}

export async function startHexUpstream(tarballs: readonly MadeTarball[]): Promise<HexUpstream> {
  const key = readPrivateKey(generatePrivateKey(), "test key");
  const files = new Map<string, Buffer>();
  const log: string[] = [];
  const tokens = new Map<string, string>();
  const authorizations = new Map<string, string | undefined>();
  const server = createServer((request, response) => {
    response.once("close", () => log.push(`${response.statusCode} ${request.url}`));
    authorizations.set(request.url ?? "", request.headers.authorization);
    if (upstream.intercept(request, response)) return;
    const [, organisation = ""] = /^\/repos\/([^/]+)\//.exec(request.url ?? "") ?? [];
    const isPublic = /\/policies\//.test(request.url ?? "") && !tokens.has(organisation);
    if (organisation !== "" && !isPublic && request.headers.authorization !== tokens.get(organisation)) {
      response.writeHead(401).end("who are you");
      return;
    }
    answer(files.get(request.url ?? ""), request, response);
  });
  const url = await listenOnLoopback(server);
  const upstream: HexUpstream = {
    ...switchable(server),
    url,
    key,
    log,
    authorizations,
    files,
    intercept: () => false,
    publish: (published, { organisation, upstream: records = new Map(), ...named } = {}) => {
      const releases = published.map(({ bytes }) => readTarball(bytes));
      const repository = named.repository ?? organisation?.name ?? "hexpm";
      const root = organisation === undefined ? "" : `/repos/${organisation.name}`;
      if (organisation !== undefined) tokens.set(organisation.name, organisation.token);
      const { resources } = buildRegistry({ repository, releases, upstream: records });
      for (const [resource, payload] of resources) files.set(`${root}/${resource}`, signedBy(key, payload));
      for (const { name, version, bytes } of published) files.set(`${root}/tarballs/${name}-${version}.tar`, bytes);
      files.set(`${root}/public_key`, Buffer.from(publicKeyPem(key)));
    },
    publishPolicy: (policy, token) => {
      if (token !== undefined) tokens.set(policy.repository, token);
      files.set(`/repos/${policy.repository}/policies/${policy.name}`, signedBy(key, encodePolicy(policy)));
    },
    writePublicKey: async (file) => {
      await writeFile(file, createPublicKey(key).export({ type: "spki", format: "pem" }));
      return file;
    },
  };
  upstream.publish(tarballs);
  return upstream;
}

/** As registries are signed, without the code under test. */
function signedBy(key: KeyObject, payload: Uint8Array): Buffer {
  const signature = sign("sha512", payload, key);
  return gzipSync(toBinary(SignedSchema, create(SignedSchema, { payload, signature })));
}

/** Upstream's record of a package, which says more than its tarballs do. */
export function recordOf(
  tarballs: readonly MadeTarball[],
  more: {
    releases?: Readonly<Record<string, Omit<ReleaseInit, "$typeName" | "$unknown">>>;
    advisories?: PackageInit["advisories"];
  },
): Package {
  const releases = tarballs.map(({ bytes, version, innerChecksum, outerChecksum }) => ({
    version,
    innerChecksum: Buffer.from(innerChecksum, "hex"),
    outerChecksum: Buffer.from(outerChecksum, "hex"),
    dependencies: readTarball(bytes).metadata.requirements.map(({ repository, ...requirement }) => ({
      ...requirement,
      ...(repository === undefined || repository === "hexpm" ? {} : { repository }),
    })),
    ...more.releases?.[version],
  }));
  return createPackage({
    name: tarballs[0]?.name ?? "",
    repository: "hexpm",
    releases,
    advisories: more.advisories ?? [],
  });
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
