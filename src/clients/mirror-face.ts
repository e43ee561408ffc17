/** What a mirror is to its clients: who it is, what it has, and whom they have to trust for it. */
import * as z from "zod";
import type { Config } from "../config.ts";
import { isFile } from "../disk/files.ts";
import { MirrorError, describeError } from "../errors.ts";
import { isHostName } from "../names/git-url.ts";
import { isRepositoryName } from "../names/hex-names.ts";
import { hexpm } from "../names/hex-repository.ts";
import { hexHosts } from "../names/known-hosts.ts";
import { readTokens } from "../serve/tokens.ts";
import type { Context } from "../store/context.ts";
import { listRegistries } from "../store/inventory.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { caFileOf, knownAuthority } from "../store/trust.ts";
import { checkAuthorityKey, requireConstrainedFile } from "../tls/authority-checks.ts";
import { certsPlace } from "../tls/certs-files.ts";
import { plainGet } from "../upstream/plain-get.ts";
import type { Client, ClientKey, Server } from "./client.ts";
import { keyOfMirrorAt } from "./known-mirrors.ts";

/** Who the mirror is and what it has: as it tells itself, or as its folder does. */
export async function readMirror(context: Context<ClientKey>, url: string, { isRunning, hosts: more = [] }: Server) {
  const { config, paths } = context;
  requireOwnUrl(config);
  const { key: publicKey, isTold } = await publicKeyOf(context, url);
  const token = await tokenToSend(context);
  const isAsked = isTold || (isRunning && config.url === undefined);
  const { hosts, repositories } = (isAsked ? await toldBy(context, url, token) : notReached(context, url)) ?? {
    hosts: [...new Set([...listServedHosts(paths), ...more.filter(isHostName)])],
    repositories: (await listRegistries(paths)).map(({ repository }) => repository),
  };
  return { publicKey, token, repositories, hosts, gitHosts: hosts.filter((host) => !hexHosts.has(host)) };
}

/** The file may be the server's, and on the server alone. */
async function tokenToSend({ config, reporter }: Context<"requireToken">): Promise<string | undefined> {
  try {
    return (await readTokens(config))?.tokens[0];
  } catch (error) {
    reporter.note(`what is guarded is asked for without a token: ${describeError(error)}`);
    return undefined;
  }
}

const told = z.object({
  hex: z.object({ repositories: z.array(z.string().refine(isRepositoryName)) }),
  git: z.object({ hosts: z.array(z.string().refine(isHostName)) }),
});

/** What a mirror elsewhere holds it tells itself; undefined where it cannot be reached from here. */
async function toldBy({ config, paths, reporter }: Context<ClientKey>, url: string, token: string | undefined) {
  const headers = token === undefined ? {} : { authorization: token };
  try {
    const report = await plainGet(`${url}/health`, { ...(await trusting(config)), headers });
    const { hex, git } = told.parse(JSON.parse(report));
    // None at all are named to those who may not hear of them.
    if (git.hosts.length > 0) return { hosts: git.hosts, repositories: [hexpm, ...hex.repositories] };
    if (config.url !== undefined) {
      reporter.note(`the mirror at ${url} tells what it holds to those with a token; give --require-token`);
    }
    return undefined;
  } catch {
    return notReached({ config, paths, reporter }, url);
  }
}

function notReached({ config, paths, reporter }: Omit<Context<"url">, "signal">, url: string): undefined {
  if (config.url === undefined) return undefined;
  reporter.note(`the mirror at ${url} does not answer here; what it holds is taken from ${paths.mirror.path}`);
  return undefined;
}

async function trusting(config: Pick<Config, ClientKey>) {
  return { seconds: 2, ca: await knownAuthority(config) };
}

/** Of a mirror elsewhere that mirror tells it; where it cannot be reached from here, the folder does. */
async function publicKeyOf(
  context: Context<ClientKey>,
  url: string,
): Promise<{ readonly key: string; readonly isTold: boolean }> {
  const { config, paths } = context;
  const held = (await paths.registry(hexpm).publicKey.read())?.toString("utf8");
  const told = config.url === undefined ? undefined : await keyOfMirrorAt(context, url, held);
  const key = told ?? held;
  if (key !== undefined) return { key, isTold: told !== undefined };
  if (config.url !== undefined) throw new MirrorError("upstream", `the mirror at ${url} cannot be reached from here`);
  throw new MirrorError("config", `there is no signed registry in ${paths.hex.path}; sync, build or serve it first`);
}

/** A project that was cloned may name a mirror, but not have the user's token sent there. */
function requireOwnUrl({ found, requireToken, url }: Pick<Config, "found" | "requireToken" | "url">): void {
  if (url === undefined || requireToken === undefined || !found.keys.has("url") || found.keys.has("requireToken"))
    return;
  throw new MirrorError(
    "config",
    `the token of --require-token is not sent to ${url}, since only ${found.path} says so, which lies in the working ` +
      "folder; give --url, or name that file with --config",
  );
}

/** The authority in the certs folder, where clients are to trust it. @throws MirrorError `config` for one that they must not */
export async function authorityFor(
  { config, reporter }: Context<ClientKey>,
  { isTracked }: Client,
): Promise<string | undefined> {
  const file = caFileOf(config);
  if (!isFile(file)) return undefined;
  // A certificate of the user's own is its owner's affair.
  if (config.ownCertificate !== undefined) return file;
  if (!config.isAuthorityKnown) {
    reporter.note(
      `${file} lies in the working folder, and is not trusted for a mirror elsewhere; if it is right, --certs-dir`,
    );
    return undefined;
  }
  await requireConstrainedFile(file);
  const key = certsPlace(config.certsDir).at("ca.key");
  const warning = isFile(key.path) ? await checkAuthorityKey(key, isTracked) : undefined;
  if (warning !== undefined) reporter.warn(warning);
  return file;
}
