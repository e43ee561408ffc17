/** Publishes the mirror's Hex tree to object storage: what is to go there is listed as the only writer, and sent as anybody. */
import { MirrorError } from "../errors.ts";
import { readAuthorities } from "../authorities.ts";
import type { Config } from "../config.ts";
import { hexpm } from "../names/hex-repository.ts";
import { publish as publishTree, type PublishResult } from "../publish/publish.ts";
import { openS3, type S3Login } from "../publish/s3.ts";
import { treeOf } from "../publish/tree.ts";
import { asOnlyWriter, requireMirror, type Context } from "../store/context.ts";
import { listRegistries } from "../store/inventory.ts";
import { createDispatcher } from "../upstream/dispatcher.ts";
import { requireProxies } from "../upstream/proxies.ts";

export type PublishKey =
  | "nearby"
  | "to"
  | "endpoint"
  | "region"
  | "aws"
  | "concurrency"
  | "dryRun"
  | "pruneBucket"
  | "withPrivate"
  | "acceptChanged"
  | "proxy"
  | "authorities";

export interface Published extends PublishResult {
  /** Where clients find it, where that is no CDN's: for `mix hex.repo`. */
  readonly url: string;
  /** Hex repositories that stayed here. */
  readonly leftOut: readonly string[];
}

/** @throws MirrorError */
export async function publish(context: Context<PublishKey>): Promise<Published> {
  const { config, paths, reporter, signal } = context;
  await requireMirror(context);
  const { to, proxy: proxies, concurrency } = config;
  if (to === undefined) throw new MirrorError("usage", "say where to: --to s3://BUCKET/PREFIX");
  const login = requireLogin(config);
  const region = config.region ?? config.aws.region ?? "us-east-1";
  const endpoint = config.endpoint ?? endpointOf(config);
  requireProxies(proxies);
  const { stages, unsigned } = await asOnlyWriter(context, async () => treeOf(paths, config));
  if (unsigned.length > 0) reporter.warn(`${unsigned.join(", ")}: no record lists it, so it stays here`);
  const others = (await listRegistries(paths)).map(({ repository }) => repository).filter((name) => name !== hexpm);
  const dispatcher = createDispatcher({
    connections: concurrency,
    proxies,
    authorities: readAuthorities(config.authorities, (text) => reporter.warn(text)),
    mayConnect: undefined,
  });
  try {
    const target = { ...to, region, endpoint };
    const open = (until: AbortSignal) => openS3(target, { login, dispatcher, signal: until });
    const { dryRun, acceptChanged, pruneBucket: prune } = config;
    const note = (text: string) => reporter.note(text);
    const published = await publishTree(stages, open, { concurrency, dryRun, acceptChanged, prune, signal, note });
    const base = endpoint ?? `https://s3.${region}.amazonaws.com`;
    const url = `${base}/${to.bucket}/${to.prefix}`.replace(/\/$/, "");
    return { ...published, url, leftOut: config.withPrivate ? [] : others };
  } finally {
    await dispatcher.close();
  }
}

/** @throws MirrorError `config` without showing it, since a login may stand in it */
function endpointOf({ aws: { endpoint } }: Pick<Config, "aws">): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "")
    return endpoint;
  throw new MirrorError("config", "AWS_ENDPOINT_URL: give an http or https URL, without credentials");
}

function requireLogin({ aws }: Pick<Config, "aws">): S3Login {
  const { accessKeyId, secretAccessKey, sessionToken } = aws;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey, sessionToken };
  throw new MirrorError("config", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to who may put objects there");
}
