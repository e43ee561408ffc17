/** Points clients at a mirror: at one that runs, or at one that is started for as long as a command runs. */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import * as z from "zod";
import { contested, gitRules, gitSettings, repositoryRules, type GitSetup } from "./git-rules.ts";
import { readRebarConfig, writeClientFiles } from "./files.ts";
import { readHexTerms, type HexTerms } from "./hex-file.ts";
import { readRebarTerms, type RebarTerms } from "./rebar-file.ts";
import { isUrlInHexFile } from "./repository-setup.ts";
import {
  changeTo,
  clientVariables,
  containerVariables,
  usersEnvironment,
  type Change,
  type ClientSetup,
} from "./variables.ts";
import type { Config } from "../config.ts";
import { MirrorError, describeError } from "../errors.ts";
import { plainGet } from "../upstream/plain-get.ts";
import { isFile, isFolder, readIfPresent } from "../disk/files.ts";
import { makeFolders } from "../disk/make-folder.ts";
import { noSettings, unverifiedIn, type UsersGit } from "../git/users-settings.ts";
import { isHostName, urlPrefix } from "../names/git-url.ts";
import { isRepositoryName } from "../names/hex-names.ts";
import { hexpm } from "../names/hex-repository.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { hexHosts } from "../names/known-hosts.ts";
import type { Lock } from "../lock/entries.ts";
import { listRegistries, listRepositories } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { checkAuthorityKey, requireConstrainedFile } from "../tls/authority-checks.ts";
import { certsPlace } from "../tls/certs-files.ts";
import { switchesIn } from "../verification.ts";
import type { Context } from "../store/context.ts";
import { keyOfMirrorAt } from "./known-mirrors.ts";
import { readTokens } from "../serve/tokens.ts";
import { caFileOf, knownAuthority, type AuthorityKey } from "../store/trust.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings that say where a mirror is, and whom its clients trust. */
export type ClientKey =
  | "url"
  | "requireToken"
  | "found"
  | "hexConfigFile"
  | "hexPackagesDir"
  | "hexDocsDir"
  | "isAuthorityKnown"
  | "ownCacheDir"
  | AuthorityKey;

export interface Client {
  /** What the variables are added to. */
  readonly environment: Environment;
  /** Of the project that it works on. */
  readonly locks: readonly Lock[];
  /** As the user's git is set, where it works. */
  readonly git: UsersGit;
  /** Whether that git reads our rules before the user's. */
  readonly readsOursFirst: () => Promise<boolean>;
  /** Whether git keeps a file. */
  readonly isTracked: (path: string) => Promise<boolean>;
}

export interface ClientEnvironment {
  readonly change: Change;
  /** Takes away files that are of use for this URL only. */
  readonly forget: () => Promise<void>;
}

/** What is known of the server besides its URL. */
export interface Server {
  /** Whether it answers there, and tells what it stands in for. */
  readonly isRunning: boolean;
  /** Hosts that it stands in for besides those that something is held of. */
  readonly hosts?: readonly string[];
  /** Where whatever is not for it is refused; absent: clients may go anywhere. */
  readonly refusingProxy?: string | undefined;
}

/** @param url where clients reach it */
export async function clientEnvironment(
  context: Context<ClientKey>,
  url: string,
  client: Client,
  server: Server,
): Promise<ClientEnvironment> {
  const { config, paths } = context;
  const { refusingProxy } = server;
  const ca = await authorityFor(context, client);
  const { publicKey, token, gitHosts, repositories } = await readMirror(context, url, server);
  const users = await readUsers(context, client);
  tellUsers(context, users, { client, repositories });
  const locks = [...(await readKnownLocks(paths)), ...client.locks];
  const isHermetic = refusingProxy !== undefined;
  const gitPrefixes = prefixesOf(locks, (host) => isHermetic || gitHosts.includes(host));
  const git = { url, gitHosts, gitPrefixes, users: client.git, isHermetic };
  const rules = gitRules(git);
  // Without the URL where nothing depends on it: a mirror on a new port at each run then needs no new files.
  const name = createHash("sha256").update(`${paths.mirror.path}\0${publicKey}`).digest("hex").slice(0, 16);
  const clients = paths.cache.at("clients");
  const ofUrl = clients.at(`${name}-${new URL(url).host.replace(/[^\w.-]/g, "_")}`);
  const files = await writeClientFiles({
    shared: clients.at(name),
    ofUrl,
    url,
    publicKey,
    repositories,
    token,
    ca,
    hexPackages: config.hexPackagesDir,
    hexDocs: config.hexDocsDir,
    hexTerms: users.hex,
    rebarTerms: users.rebar,
    gitRules: rules,
    usersGit: client.git,
    environment: users.environment,
  });
  const setup: ClientSetup = {
    url,
    hasUrlInFiles: isUrlInHexFile({ repositories, token }),
    gitSettings: [
      ...rules,
      ...(await rulesOfRepositories(context, git, { client, locks })),
      ...gitSettings({ url, ...files }),
    ],
    gitUnverified: unverifiedIn(client.git.settings),
    refusingProxy,
    ...files,
  };
  const change = changeTo(clientVariables(setup, client.environment), client.environment);
  return { change, forget: async () => ofUrl.remove() };
}

/**
 * For containers, which reach the mirror at `url`, and have none of this machine's files.
 * @param asked where it is reached from here
 */
export async function containerEnvironment(
  context: Context<ClientKey>,
  { url, asked }: { readonly url: string; readonly asked: string },
  client: Client,
  server: Server,
): Promise<Change> {
  const { paths, reporter } = context;
  const { gitHosts, repositories, token } = await readMirror(context, asked, server);
  const others = repositories.filter((name) => name !== hexpm);
  if (others.length > 0 || token !== undefined) {
    const what = [...others, ...(token === undefined ? [] : ["what is guarded"])].join(", ");
    reporter.note(`${what} needs a file in the container: "mirror-server init --compose" writes what makes it`);
  }
  const locks = [...(await readKnownLocks(paths)), ...client.locks];
  const gitPrefixes = prefixesOf(locks, (host) => gitHosts.includes(host));
  const rules = gitRules({ url, gitHosts, gitPrefixes, users: noSettings, isHermetic: false });
  const git = [...rules, ...gitSettings({ url, gitCredentials: undefined })];
  return { set: containerVariables(url, git), unset: [], moved: [] };
}

/** Who the mirror is and what it has: as it tells itself, or as its folder does. */
async function readMirror(context: Context<ClientKey>, url: string, { isRunning, hosts: more = [] }: Server) {
  const { config, paths } = context;
  requireOwnUrl(config);
  const { key: publicKey, isTold } = await publicKeyOf(context, url);
  const token = await tokenToSend(context);
  const isAsked = isTold || (isRunning && config.url === undefined);
  const { hosts, repositories } = (isAsked ? await toldBy(context, url, token) : notReached(context, url)) ?? {
    hosts: [...new Set([...listServedHosts(paths), ...more.filter(isHostName)])],
    repositories: (await listRegistries(paths)).map(({ repository }) => repository),
  };
  return { publicKey, token, repositories, gitHosts: hosts.filter((host) => !hexHosts.has(host)) };
}

interface Users {
  readonly environment: Environment;
  readonly hex: HexTerms;
  readonly rebar: RebarTerms;
}

/** What the user has set for Hex and rebar3; folders of Hex's that it would make by itself are made. */
async function readUsers({ config }: Context<ClientKey>, client: Client): Promise<Users> {
  const environment = usersEnvironment(client.environment);
  const hexFile = await readIfPresent(config.hexConfigFile).catch(() => undefined);
  for (const folder of [config.hexPackagesDir, config.hexDocsDir]) {
    if (!isFolder(dirname(folder)) || isFolder(folder)) continue;
    try {
      makeFolders(folder, 0o755);
    } catch {
      // What is fetched is in the mirror then, and nowhere else.
    }
  }
  return {
    environment,
    hex: readHexTerms(hexFile?.toString("utf8") ?? ""),
    rebar: readRebarTerms(await readRebarConfig(environment).catch(() => "")),
  };
}

/** What of the user's does not count meanwhile, and what is not as it may be thought to be. */
function tellUsers(
  { config, reporter }: Context<ClientKey>,
  { hex, rebar }: Users,
  { client, repositories }: { readonly client: Client; readonly repositories: readonly string[] },
): void {
  const off = [...switchesIn(client.environment), ...unverifiedIn(client.git.settings), ...hex.switches];
  if (off.length > 0) reporter.note(`verification is on: ${off.join(", ")} would turn it off, and is taken out`);
  if (hex.isUnread) reporter.note(`${config.hexConfigFile} cannot be read, and nothing that it says counts here`);
  const unknown = hex.repositories.filter((name) => !repositories.includes(name));
  if (unknown.length > 0) {
    reporter.note(
      `of Hex's repositories that you have the mirror lacks ${unknown.join(", ")}: nothing comes from there`,
    );
  }
  if (rebar.plugins.length > 0) {
    reporter.note(
      `rebar3's plugins for all projects (${rebar.plugins.join(", ")}) are left out: it fetches them past any mirror`,
    );
  }
  if (rebar.proxies.length > 0) {
    reporter.note(
      `${rebar.proxies.join(" and ")} of your rebar.config: rebar3 before 3.28 asks that for the mirror too; take it out, or set ` +
        "the variable of that name instead",
    );
  }
}

/** Git before 2.32 reads the user's rules first, which may be as long as ours. */
async function rulesOfRepositories(
  { paths, reporter }: Context,
  setup: GitSetup,
  { client, locks }: { readonly client: Client; readonly locks: readonly Lock[] },
) {
  const theirs = contested(setup);
  if (theirs.length === 0 || (await client.readsOursFirst())) return [];
  const held = (await listRepositories(paths).catch(() => [])).map(({ host, path }) => `${host}/${path}`);
  const locked = repositoryJobs(locks, { allowLocalGit: false, allowHosts: [], allowOwners: [] }).jobs;
  reporter.note(
    `git before 2.32 reads your rules before the mirror's (${theirs.map(({ prefix }) => prefix).join(", ")}): what the mirror ` +
      "neither holds nor a lock names goes past it",
  );
  return repositoryRules(setup, [...new Set([...held, ...locked.map(({ host, path }) => `${host}/${path}`)])]);
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

/** Known locks hold no user of https URLs, since that may be a token; the project's own lock does. */
function prefixesOf(locks: readonly Lock[], isMirrored: (host: string) => boolean): GitSetup["gitPrefixes"] {
  const entries = locks.flatMap((lock) => lock.entries).filter((entry) => entry.kind === "git");
  const found = entries.map(({ url }) => urlPrefix(url)).filter((each) => each !== undefined);
  return [...new Map(found.map((each) => [each.prefix, each])).values()].filter(({ host }) => isMirrored(host));
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
async function authorityFor(
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
