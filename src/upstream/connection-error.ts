/** A connection that failed → an error that says who is to blame (the host, a proxy, an authority, DNS) and what to set. */
import { authorityVariables } from "../authorities.ts";
import { hasErrno, type MirrorError } from "../errors.ts";
import { issuerOf } from "./issuer.ts";
import { proxyFor, type Proxies, type Proxy } from "./proxies.ts";
import { privateHost } from "./redirect.ts";
import { upstreamTrouble } from "./trouble.ts";

export interface Failure {
  readonly url: string;
  /** As people are told of it: no query, no login. */
  readonly shown: string;
  readonly host: string;
  readonly proxies: Proxies;
}

export async function connectionError(cause: unknown, failure: Failure): Promise<MirrorError> {
  const { url, host, shown, proxies } = failure;
  const proxy = proxyFor(url, proxies);
  const status = proxyStatus(cause);
  if (proxy !== undefined && status !== undefined) return proxyError(status, proxy, host, cause);
  if (proxy !== undefined && hasErrno(cause, "ERR_NO_TUNNEL")) return noTunnel(cause, proxy, host);
  if (hasErrno(cause, "ERR_PRIVATE_ADDRESS")) return privateHost(host);
  if (hasErrno(cause, ...certificateErrors)) return untrusted(cause, proxy, failure);
  const through = proxy !== undefined && concerns(cause, proxy) ? proxy : undefined;
  if (hasErrno(cause, ...nameErrors)) return absentHost("name", host, through, cause);
  if (hasErrno(cause, ...reachErrors)) return absentHost("unreachable", host, through, cause);
  // Its words are OpenSSL's, of several lines.
  if (isOfTls(cause))
    return upstreamTrouble({ kind: "cut", host }, `who answers as ${host} speaks no TLS that we understand`);
  return upstreamTrouble({ kind: "cut", host }, `the transfer of ${shown} broke`, cause);
}

function isOfTls(cause: unknown): boolean {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return code === "EPROTO" || code.startsWith("ERR_SSL_");
}

/** @param proxy where it is that which is not there */
export function absentHost(
  kind: "name" | "unreachable",
  host: string,
  proxy: Pick<Proxy, "url" | "variable"> | undefined,
  cause: unknown,
): MirrorError {
  const who = proxy === undefined ? host : `the proxy ${proxy.url} (${proxy.variable})`;
  const what = kind === "name" ? `the name of ${who} cannot be resolved` : `${who} cannot be reached`;
  const usual = kind === "name" ? "; check the network, or set HTTPS_PROXY where a proxy is the way out" : "";
  const remedy = proxy === undefined ? usual : `; correct or unset ${proxy.variable}`;
  return upstreamTrouble({ kind, host }, `${what}${remedy}`, cause);
}

const nameErrors = ["ENOTFOUND", "EAI_AGAIN", "EAI_NONAME"];
const reachErrors = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "UND_ERR_CONNECT_TIMEOUT"];

// By OpenSSL's names, as Node gives them.
const certificateErrors = [
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_UNTRUSTED",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "ERR_TLS_CERT_ALTNAME_INVALID",
];

async function untrusted(cause: unknown, proxy: Proxy | undefined, { url, host, proxies }: Failure) {
  const through = proxy === undefined ? "" : ` (through the proxy ${proxy.url})`;
  if (hasErrno(cause, "CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "ERR_TLS_CERT_ALTNAME_INVALID")) {
    const message = `the certificate of ${host}${through} does not hold; check this machine's clock, and who answers there`;
    return upstreamTrouble({ kind: "trust", host }, message, cause);
  }
  const issuer = await issuerOf(url, proxy === undefined ? undefined : (proxies.httpsProxy ?? proxies.httpProxy));
  const by = issuer === undefined ? "an authority that is not trusted" : `"${issuer}", which is not trusted`;
  const remedy = `if that is right, name its certificate: NODE_EXTRA_CA_CERTS=FILE (or ${authorityVariables.slice(0, 3).join(", ")})`;
  return upstreamTrouble(
    { kind: "trust", host },
    `the certificate of ${host}${through} is signed by ${by}; ${remedy}`,
    cause,
  );
}

/** The status by which a proxy refused a tunnel. */
function proxyStatus(cause: unknown): number | undefined {
  const message = cause instanceof Error ? cause.message : "";
  const [, tunnel, plain] =
    /^Proxy response \((\d{3})\)|^Proxy Authentication Required \((\d{3})\)/.exec(message) ?? [];
  const status = tunnel ?? plain;
  return status === undefined ? undefined : Number(status);
}

/** @param status by which it said no */
export function proxyError(status: number, proxy: Proxy, host: string, cause: unknown): MirrorError {
  const who = `the proxy ${proxy.url} (${proxy.variable})`;
  if (status === 407) {
    const what = proxy.hasLogin ? "does not take the login in its URL" : "wants a login";
    const remedy = `set ${proxy.variable}=http://USER:PASSWORD@${proxy.host}`;
    return upstreamTrouble({ kind: "proxy", host }, `${who} ${what} (status 407); ${remedy}`, cause);
  }
  // It could not reach the host just now.
  if (status >= 500) {
    return upstreamTrouble({ kind: "busy", host }, `${who} cannot reach ${host} (status ${status})`, cause);
  }
  const remedy = `have it allow the host, or name the host in NO_PROXY where it can be reached without it`;
  return upstreamTrouble(
    { kind: "proxy", host },
    `${who} lets nobody through to ${host} (CONNECT: status ${status}); ${remedy}`,
    cause,
  );
}

/** The proxy itself is not there, or hangs up. */
function noTunnel(cause: unknown, proxy: Proxy, host: string): MirrorError {
  const inner = cause instanceof Error ? cause.cause : undefined;
  if (hasErrno(inner, ...nameErrors)) return absentHost("name", host, proxy, inner);
  if (hasErrno(inner, ...reachErrors)) return absentHost("unreachable", host, proxy, inner);
  const who = `the proxy ${proxy.url} (${proxy.variable})`;
  return upstreamTrouble({ kind: "cut", host }, `${who} gives no connection to ${host}`, inner);
}

/** Whether it is the proxy that could not be reached. */
function concerns(cause: unknown, { host }: Proxy): boolean {
  const { hostname, port } = new URL(`http://${host}`);
  const errors = cause instanceof AggregateError ? cause.errors : [cause];
  return errors.some((error) => {
    if (!(error instanceof Error)) return false;
    const {
      address,
      port: itsPort,
      hostname: itsName,
    } = error as Partial<Record<"address" | "port" | "hostname", unknown>>;
    return itsName === hostname || (itsPort === Number(port || 80) && (address === hostname || itsName === undefined));
  });
}
