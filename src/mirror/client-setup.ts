/** Points clients at a mirror: at one that runs, or at one that is started for as long as a command runs. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { dependOnUrl, writeClientFiles } from "../clients/files.ts";
import { changeTo, clientVariables, usersEnvironment, type Change, type ClientSetup } from "../clients/variables.ts";
import type { Config } from "../config.ts";
import { MirrorError, describeError } from "../errors.ts";
import { localUrl, plainGet } from "../fetch/plain-get.ts";
import { isFile, readIfPresent } from "../disk/files.ts";
import { isHostName, urlPrefix } from "../git/url.ts";
import { readPublicKey } from "../hex/keys.ts";
import { isRepositoryName } from "../hex/names.ts";
import { hexpm } from "../hex/repository.ts";
import type { Lock } from "../lock/entries.ts";
import { listRegistries } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import type { Context } from "./context.ts";
import { readTokens } from "./tokens.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Hosts that clients are pointed at by other means than git's. */
const hexHosts = new Set(["repo.hex.pm", "builds.hex.pm", "hex.pm"]);

/** Whether a server runs where the configuration says, and whether it serves this mirror: told by the registry's key. */
export async function runningMirror({ config, paths }: Context): Promise<"this" | "another" | "none"> {
  if (config.port === 0) return "none";
  const theirs = await plainGet(`${localUrl(config)}/public_key`, { seconds: 2 }).catch(() => undefined);
  if (theirs === undefined) return "none";
  const ours = (await paths.registry(hexpm).publicKey.read())?.toString("utf8");
  return theirs === ours ? "this" : "another";
}

export interface Client {
  /** What the variables are added to. */
  readonly environment: Environment;
  /** Of the project that it works on. */
  readonly locks: readonly Lock[];
}

export interface ClientEnvironment {
  readonly change: Change;
  /** Takes away files that are of use for this URL only. */
  readonly forget: () => Promise<void>;
}

/** @param url where clients reach it */
export async function clientEnvironment(context: Context, url: string, client: Client): Promise<ClientEnvironment> {
  const { config, paths } = context;
  const publicKey = await publicKeyOf(context, url);
  const { hosts, repositories } = (await toldBy(context, url)) ?? {
    hosts: listServedHosts(paths),
    repositories: (await listRegistries(paths)).map(({ repository }) => repository),
  };
  const token = repositories.length > 1 ? await tokenToSend(context) : undefined;
  const isOfUrl = dependOnUrl({ repositories, token });
  // Without the URL where nothing depends on it: a mirror on a new port at each run then needs no new files.
  const name = createHash("sha256").update(`${paths.mirror.path}\0${publicKey}`).digest("hex").slice(0, 16);
  const clients = paths.cache.at("clients");
  const folder = clients.at(isOfUrl ? `${name}-${new URL(url).host.replace(/[^\w.-]/g, "_")}` : name);
  const caFile = config.ownCertificate?.ca ?? join(config.certsDir, "ca.pem");
  const files = await writeClientFiles({
    folder,
    url,
    publicKey,
    repositories,
    token,
    ca: isFile(caFile) ? caFile : undefined,
    hexPackages: config.hexPackagesDir,
    environment: usersEnvironment(client.environment),
  });
  const gitHosts = hosts.filter((host) => !hexHosts.has(host));
  const gitPrefixes = prefixesOf([...(await readKnownLocks(paths)), ...client.locks], new Set(gitHosts));
  const setup: ClientSetup = { url, gitHosts, gitPrefixes, hasUrlInFiles: isOfUrl, ...files };
  const change = changeTo(clientVariables(setup, client.environment), client.environment);
  return { change, forget: async () => (isOfUrl ? folder.remove() : undefined) };
}

/** The file may be the server's, and on the server alone. */
async function tokenToSend({ config, reporter }: Context): Promise<string | undefined> {
  try {
    return (await readTokens(config))?.[0];
  } catch (error) {
    reporter.note(`private repositories are asked for without a token: ${describeError(error)}`);
    return undefined;
  }
}

/** Known locks hold no user of https URLs, since that may be a token; the project's own lock does. */
function prefixesOf(locks: readonly Lock[], hosts: ReadonlySet<string>): ClientSetup["gitPrefixes"] {
  const entries = locks.flatMap((lock) => lock.entries).filter((entry) => entry.kind === "git");
  const found = entries.map(({ url }) => urlPrefix(url)).filter((each) => each !== undefined);
  return [...new Map(found.map((each) => [each.prefix, each])).values()].filter(({ host }) => hosts.has(host));
}

const told = z.object({
  hex: z.object({ repositories: z.array(z.string().refine(isRepositoryName)) }),
  git: z.object({ hosts: z.array(z.string().refine(isHostName)) }),
});

/** What a mirror elsewhere holds it tells itself; undefined where it cannot be reached from here. */
async function toldBy({ config, reporter }: Context, url: string) {
  if (config.url === undefined) return undefined;
  try {
    const { hex, git } = told.parse(JSON.parse(await plainGet(`${url}/health`, await trusting(config))));
    return { hosts: git.hosts, repositories: [hexpm, ...hex.repositories] };
  } catch {
    reporter.note(`the mirror at ${url} does not answer here; what it holds is taken from ${config.mirrorDir}`);
    return undefined;
  }
}

async function trusting({ certsDir }: Config) {
  return { seconds: 2, ca: (await readIfPresent(join(certsDir, "ca.pem")))?.toString("utf8") };
}

/** For a mirror elsewhere that mirror tells it, if it can be reached from here; else the folder does. */
async function publicKeyOf({ config, paths }: Context, url: string): Promise<string> {
  const file = paths.registry(hexpm).publicKey;
  const held = (await file.read())?.toString("utf8");
  if (config.url === undefined) {
    if (held !== undefined) return held;
    throw new MirrorError("config", `there is no signed registry in ${paths.hex.path}; sync, build or serve it first`);
  }
  try {
    const pem = await plainGet(`${url}/public_key`, await trusting(config));
    readPublicKey(pem, `${url}/public_key`);
    return pem;
  } catch (cause) {
    // Such as the name that the mirror has in a compose network.
    if (held !== undefined) return held;
    throw new MirrorError("upstream", `the mirror at ${url} does not tell its key`, { cause });
  }
}
