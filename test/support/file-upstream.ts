/** A plain web server on loopback, for installers and release assets. */
import { createSign, generateKeyPairSync } from "node:crypto";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { makeAuthority, makeServerCertificate, type KeyAndCertificate } from "../../src/tls/certificates.ts";
import { listenOnLoopback } from "./loopback.ts";

export interface FileUpstream {
  readonly url: string;
  /** By URL path; tests may change and remove them. */
  readonly files: Map<string, Buffer | { readonly redirect: string }>;
  /** `200 /installs/hex.csv`, in order. */
  readonly log: string[];
  /** Called before the ordinary answer; returns true when it has answered by itself. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** @param identity what it shows over https; undefined: http */
export async function startFileUpstream(identity?: KeyAndCertificate): Promise<FileUpstream> {
  const log: string[] = [];
  const files: FileUpstream["files"] = new Map();
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    response.once("close", () => log.push(`${response.statusCode} ${request.url}`));
    if (upstream.intercept(request, response)) return;
    const file = files.get(request.url ?? "");
    if (file === undefined) response.writeHead(404).end("not found");
    else if (Buffer.isBuffer(file)) response.writeHead(200, { "content-length": file.length }).end(file);
    else response.writeHead(302, { location: file.redirect }).end("elsewhere");
  };
  const server = identity === undefined ? createServer(answer) : createSecureServer(identity, answer);
  const upstream: FileUpstream = { url: await listenOnLoopback(server), files, log, intercept: () => false };
  return upstream;
}

/** An authority, PEM, and what a server on loopback shows of it. */
export function makeUpstreamIdentity(): { readonly ca: string; readonly identity: KeyAndCertificate } {
  const authority = makeAuthority(["127.0.0.1", "localhost"], new Date());
  return { ca: authority.cert, identity: makeServerCertificate(authority, ["127.0.0.1", "localhost"], new Date()) };
}

export interface InstallerFile {
  /** `1.14.0/hex-2.1.0.ez` */
  readonly path: string;
  readonly content: Buffer;
  /** `2.1.0,SHA512,1.14.0`, with the checksum left as it stands. */
  readonly line: string;
}

export interface InstallerKey {
  /** PEM. */
  readonly publicKey: string;
  readonly sign: (csv: Buffer) => Buffer;
}

/** As Hex's release scripts sign their lists: `openssl dgst -sha512 -sign`, in base64 with lines. */
export function makeInstallerKey(): InstallerKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign: (csv) => {
      const text = createSign("sha512").update(csv).sign(privateKey, "base64");
      return Buffer.from(`${text.replace(/(.{64})/g, "$1\n")}\n`);
    },
  };
}

/** Publishes a list of installers and what it names; signed where a key is given. */
export function publishInstallers(
  upstream: FileUpstream,
  name: string,
  installers: readonly InstallerFile[],
  key: InstallerKey | undefined,
): void {
  const lines = installers.map(({ line, content }) =>
    line.replace("SHA512", createHash("sha512").update(content).digest("hex")),
  );
  const csv = Buffer.from(`${lines.join("\n")}\n`);
  upstream.files.set(`/installs/${name}`, csv);
  if (key === undefined) upstream.files.delete(`/installs/${name}.signed`);
  else upstream.files.set(`/installs/${name}.signed`, key.sign(csv));
  for (const { path, content } of installers) upstream.files.set(`/installs/${path}`, content);
}
