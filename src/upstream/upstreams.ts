/** All that is needed to ask others, under one policy: made for a job, and closed with it. */
import { readAuthorities } from "../authorities.ts";
import { MirrorError } from "../errors.ts";
import type { Context } from "../store/context.ts";
import { version } from "../version.ts";
import { createHttpClient, type HttpClient } from "./http.ts";
import { createPatience, type Patience } from "./patience.ts";
import type { Proxies } from "./proxies.ts";
import { mayAsk } from "./redirect.ts";
import { authorizationFor, type UrlToken } from "./url-tokens.ts";

export interface Upstreams {
  readonly http: HttpClient;
  /** The policy. */
  readonly patience: Patience;
  readonly proxies: Proxies;
  readonly tokens: readonly UrlToken[];
  /** Hosts that somebody named, and that may be asked whatever their address. */
  readonly hosts: ReadonlySet<string>;
}

export type AskingKey = "concurrency" | "deadline" | "proxy" | "authorities" | "urlTokens" | "found";

/** @throws MirrorError `config` for a proxy that cannot be used, and for logins that may not be used */
export function openUpstreams(
  context: Context<AskingKey>,
  hosts: ReadonlySet<string>,
): Upstreams & { readonly close: () => Promise<void> } {
  const { reporter, config } = context;
  const { concurrency: connections, deadline, proxy: proxies } = config;
  const tell = (text: string) => reporter.warn(text);
  const tokens = urlTokens(context);
  const patience = createPatience({ deadline, tell });
  const http = createHttpClient({
    userAgent: `mirror-server/${version}`,
    connections,
    proxies,
    authorities: readAuthorities(config.authorities, tell),
    mayAsk: async (host) => mayAsk(host, hosts),
    patience,
    tokenFor: (url) => authorizationFor(url, tokens),
  });
  return {
    http,
    patience,
    proxies,
    tokens,
    hosts,
    close: async () => {
      patience.close();
      await http.close();
    },
  };
}

/** @throws MirrorError `config` where only a file that came with a project says where they are sent */
function urlTokens({ config, reporter }: Context<AskingKey>): UrlToken[] {
  const { urlTokens: named, found } = config;
  if (named.length > 0 && found.keys.has("upstreamTokens")) {
    throw new MirrorError(
      "config",
      `"upstreamTokens" is not followed, since only ${found.path} says so, which lies in the working folder; name that ` +
        "file with --config",
    );
  }
  return named.flatMap(({ scope, variable, value }) => {
    if (value === undefined) reporter.warn(`${variable}, which is to hold the login for ${scope}, is not set`);
    return value === undefined ? [] : [{ scope, value }];
  });
}
