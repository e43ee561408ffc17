/** Points clients at a mirror: at one that runs, or at one that is started for as long as a command runs. */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import type { Config } from "../config.ts";
import { isFolder } from "../disk/files.ts";
import { makeFolders } from "../disk/make-folder.ts";
import { noSettings, unverifiedIn } from "../git/users-settings.ts";
import { MirrorError, describeError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";
import { urlPrefix } from "../names/git-url.ts";
import { hexpm } from "../names/hex-repository.ts";
import { hexHosts } from "../names/known-hosts.ts";
import { showPolicyName } from "../names/policy-names.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import type { Context } from "../store/context.ts";
import { listRepositories } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { layOutCaches } from "./artefact-caches.ts";
import type { Client, ClientKey, Server } from "./client.ts";
import { writeClientFiles } from "./files.ts";
import {
  rivalRules,
  gitRules,
  gitSettings,
  isWithoutSecret,
  repositoryRules,
  rulesOfEach,
  type GitSetup,
} from "./git-rules.ts";
import { authorityFor, readMirror } from "./mirror-face.ts";
import { isOrganisation, isUrlInHexFile } from "./repository-setup.ts";
import { tellUsers } from "./tell-users.ts";
import { readUsersFiles } from "./users-files.ts";
import { changeTo, clientVariables, containerVariables, type Change, type ClientSetup } from "./variables.ts";

export interface ClientEnvironment {
  readonly change: Change;
  /** The Hex repositories that clients were told of. */
  readonly repositories: readonly string[];
  /** Hosts that the mirror stands in for. */
  readonly hosts: readonly string[];
  /** Takes away files that are of use for this URL only. */
  readonly forget: () => Promise<void>;
}

/** @param url where clients reach it */
export async function clientEnvironment(
  context: Context<ClientKey>,
  url: string,
  client: Client,
  server: Server,
): Promise<ClientEnvironment> {
  const { config, paths } = context;
  const { proxy } = server;
  const ca = await authorityFor(context, client);
  const { publicKey, token, hosts, gitHosts, repositories } = await readMirror(context, url, server);
  const policy = config.usePolicy;
  const hexRepositories = [...new Set([...repositories, ...(policy === undefined ? [] : [policy.repository])])];
  const users = await readUsersFiles(config, client.environment);
  tellUsers(context, users, { client, repositories: hexRepositories });
  makeHexFolders(config);
  const locks = [...(await readKnownLocks(paths)), ...client.locks];
  const isHermetic = proxy?.isRefusing === true;
  const gitPrefixes = prefixesOf(locks, (host) => isHermetic || gitHosts.includes(host));
  const git = { url, gitHosts, gitPrefixes, users: client.git, isHermetic };
  const rules = gitRules(git);
  const gitRepositories = await repositoriesOf(context, locks);
  // Without the URL where nothing depends on it: a mirror on a new port at each run then needs no new files.
  const name = createHash("sha256").update(`${paths.mirror.path}\0${publicKey}`).digest("hex").slice(0, 16);
  const clients = paths.cache.at("clients");
  const ofUrl = clients.at(`${name}-${new URL(url).host.replace(/[^\w.-]/g, "_")}`);
  const files = await writeClientFiles({
    shared: clients.at(name),
    ofUrl,
    url,
    publicKey,
    repositories: hexRepositories,
    token,
    ca,
    hexPackages: config.hexPackagesDir,
    hexDocs: config.hexDocsDir,
    hexTerms: users.hex,
    rebarTerms: users.rebar,
    netrc: users.netrc,
    gitRules: [...rules, ...rulesOfEach(git, gitRepositories)],
    usersGit: client.git,
    environment: users.environment,
  });
  const caches = await layOutCaches(paths, clients.at(name).at("artefacts"), { locks, users: users.environment }).catch(
    // They are asked of the mirror then.
    (error: unknown) => context.reporter.warn(`no caches are laid out: ${describeError(error)}`),
  );
  const setup: ClientSetup = {
    url,
    hasUrlInFiles: isUrlInHexFile({ repositories: hexRepositories }),
    // What a rule of the user's begins with may hold a token: that stays in the file, which nobody else can read.
    gitSettings: [
      ...[...rules, ...(await rulesForOldGit(context, git, { client, repositories: gitRepositories }))].filter(
        isWithoutSecret,
      ),
      ...gitSettings({ url, ...files }),
      ...(isHermetic ? [["http.proxy", proxy.url] as const] : []),
    ],
    gitUnverified: unverifiedIn(client.git.settings),
    proxy,
    policy: policy === undefined ? undefined : showPolicyName(policy),
    caches: caches ?? {},
    hosts: [...hosts, ...hexHosts],
    ...files,
  };
  const present = client.addedTo ?? client.environment;
  const change = changeTo(clientVariables(setup, present), present);
  return {
    change,
    repositories: hexRepositories,
    hosts: [...new Set([...hosts, ...hexHosts])],
    forget: async () => ofUrl.remove(),
  };
}

/** Where Hex has a home, what it fetches goes there: it would make these folders by itself. */
function makeHexFolders({ hexPackagesDir, hexDocsDir }: Pick<Config, "hexPackagesDir" | "hexDocsDir">): void {
  for (const folder of [hexPackagesDir, hexDocsDir]) {
    if (!isFolder(dirname(folder)) || isFolder(folder)) continue;
    try {
      makeFolders(folder, 0o755);
    } catch {
      // What is fetched is in the mirror then, and nowhere else.
    }
  }
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
  const { paths, reporter, config } = context;
  const { gitHosts, repositories, token } = await readMirror(context, asked, server);
  const policy = config.usePolicy;
  const others = repositories.filter((name) => name !== hexpm);
  // What the mirror signs by itself cannot be checked there without its key.
  const isOwnPolicy = policy !== undefined && !isOrganisation(policy.repository);
  if (isOwnPolicy) {
    throw new MirrorError(
      "config",
      `the policy ${showPolicyName(policy)} is signed by the mirror, and needs a file in the container; take --policy out, or let ` +
        '"mirror-server init --compose" write what makes it',
    );
  }
  if (others.length > 0 || token !== undefined) {
    const what = [...others, ...(token === undefined ? [] : ["what is guarded"])].join(", ");
    reporter.note(`${what} needs a file in the container: "mirror-server init --compose" writes what makes it`);
  }
  const locks = [...(await readKnownLocks(paths)), ...client.locks];
  const gitPrefixes = prefixesOf(locks, (host) => gitHosts.includes(host));
  const rules = gitRules({ url, gitHosts, gitPrefixes, users: noSettings, isHermetic: false });
  const git = [...rules, ...gitSettings({ url, gitCredentials: undefined })];
  const variables = containerVariables(url, git);
  const set = policy === undefined ? variables : { ...variables, HEX_POLICY: showPolicyName(policy) };
  return { set, unset: [], moved: [] };
}

/** Those that are held, or that a lock names: `github.com/owner/repo` */
async function repositoriesOf({ paths }: Context, locks: readonly Lock[]): Promise<string[]> {
  const held = await listRepositories(paths).catch(() => []);
  const locked = repositoryJobs(locks, { allowLocalGit: false, allowHosts: [], allowOwners: [] }).jobs;
  return [...new Set([...held, ...locked].map(({ host, path }) => `${host}/${path}`))];
}

/** Git before 2.32 reads the user's rules first, which may be as long as ours. */
async function rulesForOldGit(
  { reporter }: Context,
  setup: GitSetup,
  { client, repositories }: { readonly client: Client; readonly repositories: readonly string[] },
) {
  const theirs = rivalRules(setup);
  if (theirs.length === 0 || (await client.readsOursFirst())) return [];
  reporter.note(
    `git before 2.32 reads your rules before the mirror's (${theirs.length} of them are about what it has): what the mirror ` +
      "neither holds nor a lock names goes past it",
  );
  return repositoryRules(setup, repositories);
}

/** Known locks hold no user of https URLs, since that may be a token; the project's own lock does. */
function prefixesOf(locks: readonly Lock[], isMirrored: (host: string) => boolean): GitSetup["gitPrefixes"] {
  const entries = locks.flatMap((lock) => lock.entries).filter((entry) => entry.kind === "git");
  const found = entries.map(({ url }) => urlPrefix(url)).filter((each) => each !== undefined);
  return [...new Map(found.map((each) => [each.prefix, each])).values()].filter(({ host }) => isMirrored(host));
}
