/**
 * What git sees of the world: variables, and a working folder with nothing in or above it. Git is told which repository
 * it works in, always, and never looks for one: what it would find is somebody else's.
 *
 * Asking upstream is the user's git: their credentials, proxies and `insteadOf` rules count, and all of their environment
 * but what users-environment.ts takes out. Serving, and work inside the mirror, is ours: no configuration but a file of our
 * own, and of the environment only what a list lets pass. Neither can prompt on a terminal.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Place } from "../disk/place.ts";
import { homeFolder, makeScratch } from "../disk/scratch.ts";
import { MirrorError } from "../errors.ts";
import type { GitFeatures } from "./inspect.ts";
import { quoted } from "./config-file.ts";
import { gitConfigVariables } from "./config-variables.ts";
import { configuredAuthorities, gitAuthorities } from "./git-authorities.ts";
import { runGit, type Surroundings } from "./run.ts";
import { readUsersGit, unverifiedIn } from "./users-settings.ts";
import { usersGitEnvironment, withAbsolutePaths } from "./users-environment.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface GitEnvironments {
  /** The user's git in no repository: for `ls-remote`. */
  readonly upstream: () => Surroundings;
  /** Ours in no repository: for `init`. */
  readonly own: () => Surroundings;
  /** Ours in this repository. @param dir its real path */
  readonly ownIn: (dir: string) => Surroundings;
  /** The user's git in this repository, which must be one that we have just made. */
  readonly upstreamIn: (dir: string) => Surroundings;
  /**
   * A git that asks upstream as anybody could: no setting, login or helper of the user's; in the background.
   * @param settings of its configuration, which say by which proxy it goes
   */
  readonly asNobody: (settings: readonly (readonly [string, string])[]) => Promise<GitEnvironments>;
  /** Variables with which upstream may be a repository on this machine, whoever owns it. @param path its folder */
  readonly trusting: (path: string) => Readonly<Record<string, string>>;
  /** What the user's settings say against verifying, and is not followed: `http.sslVerify`, or that of one URL. */
  readonly unverified: readonly string[];
  readonly features: GitFeatures;
  /** A folder of this process that is not there yet. */
  readonly scratchPlace: () => Place;
  /** Files without a name, for what is too large for memory. */
  readonly openNameless: () => Promise<FileHandle>;
  readonly remove: () => Promise<void>;
}

const minimum: readonly [number, number] = [2, 30];
const firstWithSystemFile: readonly [number, number] = [2, 32];
const firstWithReftable: readonly [number, number] = [2, 45];

const always = new Set(["PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot", "ComSpec", "PATHEXT"]);

// What is silent, or trickles, for so long is ended; a server that works on an answer says so more often. Bytes a second,
// seconds. The user may say otherwise.
const pace = `[http]
	lowSpeedLimit = 10
	lowSpeedTime = 30
`;
// Where a redirect leads is looked at before anybody follows it. The rest is ours even where the user's environment
// says otherwise, which files of ours do not outrank.
const whenAsking = [
  ["http.followRedirects", "false"],
  ["fetch.unpackLimit", "1"],
  ["core.hooksPath", "/dev/null"],
] as const;

// Packs stay packs: a transfer that breaks then leaves nothing, where unpacked objects would leave a commit without its
// files. Objects by id: clients ask for locked commits, whatever branch they are on.
const ownConfig = `[gc]
	auto = 0
[maintenance]
	auto = false
[fetch]
	unpackLimit = 1
[core]
	hooksPath = /dev/null
[uploadpack]
	allowAnySHA1InWant = true
	allowFilter = true
`;

/** Checks git's version and makes a folder for configuration files. @throws MirrorError `git`, `storage` */
export async function createGitEnvironments(environment: Environment, cwd = process.cwd()): Promise<GitEnvironments> {
  const scratch = await makeScratch();
  const userConfig = upstreamConfig(environment);
  // Before each run, since what lies in temporary folders for long is tidied away under us.
  const emptyFolder = () => dirname(scratch.ensure("empty/.keep", ""));
  const common = commonVariables(environment, scratch.dir);
  const ownWith = (name: string, config: string): Surroundings => {
    // By this name in a HOME of ours, since git before 2.32 does not know GIT_CONFIG_GLOBAL.
    const file = scratch.ensure(`${name}/.gitconfig`, config);
    const home = { HOME: dirname(file), GIT_CONFIG_GLOBAL: file };
    const env = { ...common, ...home, GIT_CONFIG_NOSYSTEM: "1", GIT_OPTIONAL_LOCKS: "0" };
    return { env, cwd: emptyFolder() };
  };
  const own = () => ownWith("own", ownConfig);
  let users: Record<string, string> = {};
  let unverified: readonly string[] = [];
  let authorities: string | undefined;
  const upstream = (): Surroundings => {
    const config = scratch.ensure("upstream.gitconfig", userConfig);
    const bundle = authorities === undefined ? undefined : scratch.ensure("authorities.pem", authorities);
    const settings: (readonly [string, string])[] = [
      ...whenAsking,
      ...unverified.map((key) => [key, "true"] as const),
      ...(bundle === undefined ? [] : [["http.sslCAInfo", bundle] as const]),
    ];
    const env = {
      ...users,
      ...common,
      ...gitConfigVariables(users, settings),
      ...(bundle === undefined || users["GIT_SSL_CAINFO"] === undefined ? {} : { GIT_SSL_CAINFO: bundle }),
      GIT_CONFIG_GLOBAL: config,
      GCM_INTERACTIVE: "never",
    };
    return { env, cwd: emptyFolder() };
  };
  let version: readonly [number, number];
  try {
    const [known, local] = await Promise.all([gitVersion(own()), runGit(["rev-parse", "--local-env-vars"], own())]);
    version = known;
    users = withAbsolutePaths(usersGitEnvironment(environment, local.split("\n")), cwd);
    unverified = unverifiedIn((await readUsersGit(upstream())).settings);
    authorities = await gitAuthorities(environment, cwd, upstream());
  } catch (error) {
    await scratch.remove();
    throw error;
  }
  // A repository on a bind mount belongs to another user, which git would refuse. From a file, since git before 2.38
  // takes this setting from nowhere else; for this folder alone.
  const ownIn = (dir: string): Surroundings => {
    const { env, cwd } = ownWith(`in-${digest(dir)}`, ownConfig + safe([dir]));
    return { env: { ...env, GIT_DIR: dir }, cwd };
  };
  const environments: Omit<GitEnvironments, "asNobody"> = {
    own,
    upstream,
    ownIn,
    upstreamIn: (dir) => ({ env: { ...upstream().env, GIT_DIR: dir }, cwd: emptyFolder() }),
    trusting: (path) => {
      const config = userConfig + safe([path, `${path}/.git`, `${path}.git`]);
      return { GIT_CONFIG_GLOBAL: scratch.ensure(`local-${digest(path)}.gitconfig`, config) };
    },
    unverified,
    features: {
      reftable: isAtLeast(version, firstWithReftable),
      systemFile: isAtLeast(version, firstWithSystemFile),
    },
    openNameless: scratch.openNameless,
    scratchPlace: scratch.place,
    remove: scratch.remove,
  };
  const asNobody: GitEnvironments["asNobody"] = async (settings) => {
    const bundle = authorities ?? (await configuredAuthorities(upstream()));
    const added: (readonly [string, string])[] = [
      ...whenAsking,
      ...(bundle === undefined ? [] : [["http.sslCAInfo", scratch.ensure("nobodys-authorities.pem", bundle)] as const]),
      ...settings,
    ];
    const asking = ({ env, cwd: folder }: Surroundings): Surroundings => ({
      env: { ...env, ...gitConfigVariables({}, added), GIT_CONFIG_NOSYSTEM: "1" },
      cwd: folder,
      isBackground: true,
    });
    const behind = (surroundings: Surroundings): Surroundings => ({ ...surroundings, isBackground: true });
    return {
      ...environments,
      asNobody,
      own: () => behind(own()),
      ownIn: (dir) => behind(ownIn(dir)),
      upstream: () => asking(ownWith("nobody", pace + ownConfig)),
      upstreamIn: (dir) => {
        const { env, cwd: folder } = ownWith(`nobody-in-${digest(dir)}`, pace + ownConfig + safe([dir]));
        return asking({ env: { ...env, GIT_DIR: dir }, cwd: folder });
      },
    };
  };
  return { ...environments, asNobody };
}

function pick(environment: Environment, isAllowed: (name: string) => boolean): Record<string, string> {
  const pairs = Object.entries(environment);
  return Object.fromEntries(
    pairs.filter((pair): pair is [string, string] => pair[1] !== undefined && isAllowed(pair[0])),
  );
}

/** @param ceiling never above it, where temporary folders are everybody's */
function commonVariables(environment: Environment, ceiling: string): Record<string, string> {
  return {
    ...pick(environment, (name) => always.has(name)),
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_CEILING_DIRECTORIES: ceiling,
    // Never fetch what a partial clone lacks behind a client's back.
    GIT_NO_LAZY_FETCH: "1",
    // What every git can read, whatever newer ones would make.
    GIT_DEFAULT_REF_FORMAT: "files",
  };
}

function safe(dirs: readonly string[]): string {
  return `[safe]\n${dirs.map((dir) => `\tdirectory = ${quoted(dir)}\n`).join("")}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/**
 * The user's own global configuration, included, and what we add before and after it. A file that is not there is no error to
 * git.
 */
function upstreamConfig(environment: Environment): string {
  const home = environment["HOME"] ?? homeFolder();
  const given = environment["GIT_CONFIG_GLOBAL"];
  const xdg = environment["XDG_CONFIG_HOME"] ?? (home === undefined ? undefined : join(home, ".config"));
  const usual = [
    ...(xdg === undefined ? [] : [join(xdg, "git", "config")]),
    ...(home === undefined ? [] : [join(home, ".gitconfig")]),
  ];
  // One that is named by nothing is none.
  const files = (given === undefined ? usual : [given]).filter((file) => file !== "");
  const includes = files.map((file) => `[include]\n\tpath = ${quoted(file.replaceAll("\\", "/"))}\n`);
  return `${pace}${includes.join("")}${ownConfig}`;
}

async function gitVersion(surroundings: Surroundings): Promise<readonly [number, number]> {
  const text = await runGit(["--version"], { ...surroundings, idleSeconds: 30 });
  const [major = 0, minor = 0] = (/(\d{1,4})\.(\d{1,4})/.exec(text) ?? []).slice(1).map(Number);
  if (isAtLeast([major, minor], minimum)) return [major, minor];
  throw new MirrorError("git", `git ${minimum.join(".")} or later is needed, this is ${text.trim()}`);
}

function isAtLeast([major, minor]: readonly [number, number], least: readonly [number, number]): boolean {
  return major > least[0] || (major === least[0] && minor >= least[1]);
}
