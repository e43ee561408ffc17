/** Which proxy clients ask for what: never for the mirror, and where nothing else may be reached, one that refuses. Pure. */

type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxySetup {
  /** Where the mirror is reached, without a slash at the end. */
  readonly url: string;
  /** Where whatever is not for the mirror is refused; undefined: it goes where it always goes. */
  readonly refusingProxy: string | undefined;
}

/** A proxy cannot reach this machine's own addresses, and need not be asked for the mirror's. @param users as the user has it */
export function proxyVariables({ url, refusingProxy }: ProxySetup, users: Environment): Record<string, string> {
  // Some know an IPv6 address with its brackets, some without.
  const { hostname } = new URL(url);
  const own = [...new Set([hostname, hostname.replace(/^\[|\]$/g, "")])];
  if (refusingProxy !== undefined) {
    const without = [...new Set([...own, "localhost", "127.0.0.1", "::1"])].join(",");
    const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
    return {
      ...Object.fromEntries(proxies.map((name) => [name, refusingProxy])),
      NO_PROXY: without,
      no_proxy: without,
    };
  }
  const both = `${users["NO_PROXY"] ?? ""},${users["no_proxy"] ?? ""}`.split(",").map((host) => host.trim());
  // By itself it means all hosts; among others, to some, nothing.
  const without = both.includes("*") ? "*" : [...new Set([...both, ...own])].filter((host) => host !== "").join(",");
  const lower = lowerProxy(url);
  return { ...(users[lower] ? { [lower]: "" } : {}), NO_PROXY: without, no_proxy: without };
}

function lowerProxy(url: string): "https_proxy" | "http_proxy" {
  return url.startsWith("https:") ? "https_proxy" : "http_proxy";
}

/**
 * rebar3 before 3.28 reads the lower-case one, and no list of hosts without proxy; most others read either: so that one is
 * empty, and this name has its value. @returns none where it is set already, or there is no proxy
 */
export function upperProxy(url: string, present: Environment): string[] {
  const upper = lowerProxy(url).toUpperCase();
  return present[lowerProxy(url)] && present[upper] === undefined ? [upper] : [];
}
