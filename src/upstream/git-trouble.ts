/** Git's failure to reach upstream → what went wrong, by its words: whether it passes, who is to blame, what to set. */
import { MirrorError } from "../errors.ts";
import { authorityVariables } from "../authorities.ts";
import { isUntrusted, stderrOf } from "../git/run.ts";
import { absentHost, proxyError } from "./connection-error.ts";
import { issuerOf } from "./issuer.ts";
import { pageError } from "./page.ts";
import { proxyFor, type Proxies } from "./proxies.ts";
import { makeTrouble, troubleOf, upstreamTrouble, withTrouble, type TroubleKind } from "./trouble.ts";

export interface GitFailure {
  readonly url: string;
  readonly host: string;
  readonly proxies: Proxies;
}

export interface GitTrouble {
  readonly error: unknown;
  /** Whether the host answered, if only to say no. */
  readonly hasAnswered: boolean;
}

export async function gitTrouble(error: unknown, failure: GitFailure): Promise<GitTrouble> {
  if (!(error instanceof MirrorError) || !ofGit.has(error.code) || troubleOf(error) !== undefined) {
    return { error, hasAnswered: false };
  }
  const stderr = stderrOf(error);
  const is = (pattern: RegExp) => pattern.test(stderr);
  const hasAnswered = is(/returned error: \d{3}|^remote: |not valid: is this a git repository|RPC failed; HTTP/m);
  if (isUntrusted(stderr) && /^https:/i.test(failure.url)) {
    return { error: await untrusted(error, failure), hasAnswered: true };
  }
  if (
    is(
      /(?:response|HTTP code|returned error:) 407|Proxy Authentication|CONNECT tunnel failed|from proxy after CONNECT/i,
    )
  ) {
    return { error: ofProxy(error, stderr, failure), hasAnswered: false };
  }
  const kind = kindOf(is, error);
  if (kind === undefined) return { error, hasAnswered };
  if (kind === "page") return { error: pageError(failure.host), hasAnswered };
  if (kind === "name" || kind === "unreachable") {
    const proxy = is(/resolve proxy/i) ? proxyFor(failure.url, failure.proxies) : undefined;
    return { error: absentHost(kind, failure.host, proxy, new Error(saidBy(stderr))), hasAnswered };
  }
  if (kind === "silent") {
    return {
      error: upstreamTrouble({ kind, host: failure.host }, `${failure.host} does not answer`, error),
      hasAnswered,
    };
  }
  // What failed on the way is upstream's, whatever git calls it; that it is damage is told by `kind`.
  return { error: withTrouble(error, makeTrouble({ kind, host: failure.host }), "upstream"), hasAnswered };
}

// Of our own, others: a disk that is full does not become upstream's fault.
const ofGit = new Set(["git", "upstream", "not_found"]);

/** Git's last word. */
function saidBy(stderr: string): string {
  const fatal = stderr.split("\n").findLast((line) => line.startsWith("fatal: "));
  return /: ((?:Could|Couldn't|Failed|Connection)[^:]*.*)$/.exec(fatal ?? "")?.[1] ?? fatal ?? "";
}

/** undefined for what will not pass. */
function kindOf(is: (pattern: RegExp) => boolean, error: MirrorError): TroubleKind | undefined {
  if (is(/Could not resolve|Name or service not known|Temporary failure in name resolution/i)) return "name";
  if (is(/Connection refused|Network is unreachable|No route to host|Couldn't connect|Failed to connect/i)) {
    return is(/timed out|Timeout was reached/i) ? "silent" : "unreachable";
  }
  if (is(/Operation too slow/i)) return "slow";
  if (is(/Connection timed out|Operation timed out|Timeout was reached/i)) return "silent";
  if (is(/returned error: (?:408|425|429|500|502|503|504)\b|RPC failed; HTTP (?:408|425|429|5\d\d)\b/)) return "busy";
  if (is(/not valid: is this a git repository|returned error: 511\b/)) return "page";
  if (is(lasting) || error.code === "not_found" || /^git is|cannot be started/.test(error.message)) return undefined;
  if (is(/RPC failed|early EOF|hung up|disconnect|reset|broken pipe|transfer closed|Recv failure|Send failure/i)) {
    return "cut";
  }
  if (/did nothing for/.test(error.message)) return "slow";
  return "damaged";
}

// What asking again does not change.
const lasting = new RegExp(
  [
    "returned error: [34]\\d\\d",
    "could not read (?:Username|Password)",
    "Authentication failed|terminal prompts disabled|Permission denied|Host key verification failed",
    "repository .* not found|does not appear to be a git repository|repository .* does not exist",
    "couldn't find remote ref|not our ref [0-9a-f]{40,64}$|unadvertised object|not a valid ref",
    "bad (?:\\w+ )?config|invalid key|unable to parse .*config|unable to read (?:config|askpass)|cannot run|Permission denied \\(publickey",
    "No space left|Read-only file system|Disk quota|Input/output error|Too many open files|Cannot allocate|out of memory",
    "(?:couldn't|could not|cannot|unable to|failed to) (?:create|write|append|rename|fsync|lock)|write error|not a git repository: ",
    "transport .* not allowed|Unable to find remote helper|is not a git command|dubious ownership",
    "mismatched algorithms: client sha\\d+; server sha\\d+$|does not support shallow",
  ].join("|"),
  "im",
);

async function untrusted(error: MirrorError, { url, host, proxies }: GitFailure): Promise<MirrorError> {
  const proxy = proxyFor(url, proxies);
  const through = proxy === undefined ? "" : ` (through the proxy ${proxy.url})`;
  const issuer = await issuerOf(url, proxy === undefined ? undefined : (proxies.httpsProxy ?? proxies.httpProxy));
  const by = issuer === undefined ? "" : `; it is signed by "${issuer}"`;
  const remedy = `if it is right, name its authority: ${authorityVariables.join("=FILE, ")}=FILE, or git config http.https://${host}/.sslCAInfo FILE`;
  const trouble = makeTrouble({ kind: "trust", host });
  return new MirrorError("upstream", `git does not trust the certificate of ${host}${through}${by}; ${remedy}`, {
    cause: new Error(error.message),
    data: { ...error.data, trouble },
  });
}

function ofProxy(error: MirrorError, stderr: string, { url, host, proxies }: GitFailure): MirrorError {
  const proxy = proxyFor(url, proxies);
  const status = Number(/(?:response|HTTP code|error:) (\d{3})/i.exec(stderr)?.[1] ?? 407);
  if (proxy !== undefined) return proxyError(status, proxy, host, error);
  // It is one of git's own settings, which only git knows.
  const what = `git's proxy (http.proxy) lets nobody through to ${host} (status ${status})`;
  return upstreamTrouble({ kind: status >= 500 ? "busy" : "proxy", host }, what, error);
}
