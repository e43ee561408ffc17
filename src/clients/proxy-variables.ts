/** Which proxy clients ask for what: never for the mirror, and where nothing else may be reached, one that refuses. Pure. */

import type { CommandProxy } from "./client.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxySetup {
  /** Where the mirror is reached, without a slash at the end. */
  readonly url: string;
  /** Whom clients ask for what they would ask other hosts; undefined: these, or the user's own proxy. */
  readonly proxy: CommandProxy | undefined;
  /** Hosts that the mirror stands in for. */
  readonly hosts: readonly string[];
}

/** A proxy cannot reach this machine's own addresses, and need not be asked for the mirror's. @param users as the user has it */
export function proxyVariables({ url, proxy, hosts }: ProxySetup, users: Environment): Record<string, string> {
  // Some know an IPv6 address with its brackets, some without.
  const { hostname } = new URL(url);
  const own = [...new Set([hostname, hostname.replace(/^\[|\]$/g, "")])];
  if (proxy?.isRefusing === true) {
    const without = [...new Set([...own, "localhost", "127.0.0.1", "::1"])].join(",");
    const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
    return {
      ...Object.fromEntries(proxies.map((name) => [name, proxy.url])),
      NO_PROXY: without,
      no_proxy: without,
    };
  }
  const both = `${users["NO_PROXY"] ?? ""},${users["no_proxy"] ?? ""}`.split(",").map((host) => host.trim());
  // By itself it means all hosts; among others, to some, nothing.
  const isAll = both.includes("*");
  // For a host that the mirror stands in for the proxy of the command is asked, whatever the user does without one.
  const kept = proxy === undefined ? both : both.filter((entry) => entry !== "*" && !hosts.some(isOf(entry)));
  const all = [...new Set([...kept, ...own])].filter((host) => host !== "");
  const without = proxy === undefined && isAll ? "*" : all.join(",");
  const lower = lowerProxy(url);
  return {
    ...(users[lower] ? { [lower]: "" } : {}),
    ...(proxy !== undefined && isAll ? { HTTP_PROXY: "", http_proxy: "" } : {}),
    ...(proxy === undefined ? {} : { HTTPS_PROXY: proxy.url, https_proxy: proxy.url }),
    NO_PROXY: without,
    no_proxy: without,
  };
}

/** Whether an entry of NO_PROXY is for a host: `.corp`, `git.corp`, `git.corp:443` */
function isOf(entry: string): (host: string) => boolean {
  const name = entry
    .replace(/^\*?\./, "")
    .replace(/:\d+$/, "")
    .toLowerCase();
  return (host) => name !== "" && (host === name || host.endsWith(`.${name}`));
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
