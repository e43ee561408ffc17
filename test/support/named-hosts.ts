/** Hosts of the world, as one server on loopback: reached over TLS by their names, by way of a proxy. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeAuthority, makeServerCertificate } from "../../src/tls/certificates.ts";
import { startFileUpstream, type FileUpstream } from "./file-upstream.ts";
import { startProxy } from "./proxy.ts";

export interface NamedHosts {
  readonly upstream: FileUpstream;
  /** What leads to them, and has them trusted. */
  readonly environment: Readonly<Record<string, string>>;
}

/** @param cwd takes a file with the authority that they are known by */
export async function startNamedHosts(cwd: string, hosts: readonly string[]): Promise<NamedHosts> {
  const authority = makeAuthority(hosts, new Date());
  const upstream = await startFileUpstream(makeServerCertificate(authority, hosts, new Date()));
  const names = Object.fromEntries(hosts.map((host) => [`${host}:443`, new URL(upstream.url).host]));
  const proxy = await startProxy({ names });
  const file = join(cwd, "upstream-ca.pem");
  await writeFile(file, authority.cert);
  return { upstream, environment: { HTTPS_PROXY: proxy.url, NO_PROXY: "127.0.0.1", SSL_CERT_FILE: file } };
}
