/** All that is needed to ask others, under one policy: made for a job, and closed with it. */
import { readAuthorities } from "../authorities.ts";
import { MirrorError } from "../errors.ts";
import type { Context } from "../store/context.ts";
import { version } from "../version.ts";
import { viaWith } from "../via.ts";
import { createHttpClient, type HttpClient } from "./http.ts";
import { onlyPublic } from "./guarded-lookup.ts";
import type { Limits } from "./limits.ts";
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

export interface UpstreamsOptions {
  readonly limits?: Partial<Limits>;
  /** For as long as a server runs, on behalf of others: only what anybody could have. */
  readonly lasting?: {
    /** Told when a host is asked, and of each sign of it. */
    readonly onBegin: (host: string) => void;
    readonly onSign: (host: string) => void;
    /** By which we know our own requests when they come back. */
    readonly via: string;
  };
}

// Several clients' worth, to one host at once.
const lastingConnections = 16;

/** @throws MirrorError `config` for a proxy that cannot be used, and for logins that may not be used */
export function openUpstreams(
  context: Context<AskingKey>,
  hosts: ReadonlySet<string>,
  { lasting, limits = {} }: UpstreamsOptions = {},
): Upstreams & { readonly close: () => Promise<void> } {
  const { reporter, config } = context;
  const { concurrency: connections, deadline, proxy: proxies } = config;
  const tell = (text: string) => reporter.warn(text);
  const tokens = lasting === undefined ? urlTokens(context) : [];
  // Clients ask again by themselves, and several at once.
  const impatient = { tries: 2, gitTries: 2, firstByte: 15 };
  const patience = createPatience({
    tell,
    onTried: reporter.asked,
    ...(lasting === undefined ? { deadline, limits } : { isLasting: true, limits: impatient, watch: lasting }),
  });
  const http = createHttpClient({
    userAgent: `mirror-server/${version}`,
    ...(lasting === undefined
      ? { connections }
      : {
          connections: lastingConnections,
          headers: () => ({ via: viaWith(lasting.via) }),
          mayConnect: onlyPublic(hosts),
        }),
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
