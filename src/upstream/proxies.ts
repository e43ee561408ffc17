/** The proxies of the environment: whether one can be used, and which one stands before a URL, for who tells of it. */
import { MirrorError } from "../errors.ts";
import { redactUrl } from "../names/git-url.ts";

export interface Proxies {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy?: string;
}

export interface Proxy {
  /** Without its login. */
  readonly url: string;
  readonly host: string;
  readonly hasLogin: boolean;
  /** What names it. */
  readonly variable: "HTTP_PROXY" | "HTTPS_PROXY";
}

/** @throws MirrorError `config`; its URL may hold a password, and is not shown */
export function requireProxies({ httpProxy, httpsProxy }: Proxies): void {
  for (const [name, url] of Object.entries({ HTTP_PROXY: httpProxy, HTTPS_PROXY: httpsProxy })) {
    if (url === undefined || (URL.canParse(url) && /^(?:https?|socks5?):/i.test(url))) continue;
    throw new MirrorError("config", `${name} names no proxy that can be used; give http://HOST:PORT`);
  }
}

/** As the client chooses it; none for what is neither http nor https. */
export function proxyFor(url: string, proxies: Proxies): Proxy | undefined {
  const found = choose(url, proxies);
  if (found === undefined) return undefined;
  const { chosen, variable } = found;
  const { host, username } = new URL(chosen);
  return { url: trimSlash(redactUrl(chosen)), host, hasLogin: username !== "", variable };
}

/** The same with its login, for who asks it. */
export function chosenProxy(url: string, proxies: Proxies): string | undefined {
  return choose(url, proxies)?.chosen;
}

function choose(url: string, { httpProxy, httpsProxy, noProxy }: Proxies) {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined;
  const { protocol, hostname, port } = new URL(url);
  const isHttps = protocol === "https:";
  const variable = isHttps && httpsProxy !== undefined ? "HTTPS_PROXY" : "HTTP_PROXY";
  const chosen = variable === "HTTPS_PROXY" ? httpsProxy : httpProxy;
  if (chosen === undefined || !URL.canParse(chosen)) return undefined;
  const own = port || (isHttps ? "443" : "80");
  const isExempt = (noProxy ?? "").split(/[,\s]+/).some((entry) => {
    const [, name = "", itsPort] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (entry === "*") return true;
    return name !== "" && (itsPort ?? own) === own && (hostname === name || hostname.endsWith(`.${name}`));
  });
  return isExempt ? undefined : ({ chosen, variable } as const);
}

function trimSlash(url: string): string {
  return url.endsWith("/") ? url.slice(0, -1) : url;
}
