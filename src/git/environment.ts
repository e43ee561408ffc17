/**
 * The environments that git runs in. Fetching from upstream is the user's git: their credentials, proxies and
 * `insteadOf` rules count. Serving, and work inside the mirror, is ours: no configuration but a file of our own.
 * Both go by a list of what may pass, and neither can prompt.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import { runGit } from "./run.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface GitEnvironments {
  /** For `fetch` and `ls-remote`. */
  readonly upstream: Readonly<Record<string, string>>;
  /** For everything else. */
  readonly own: Readonly<Record<string, string>>;
  readonly remove: () => Promise<void>;
}

const minimum = [2, 30] as const;

const always = new Set(["PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot", "ComSpec", "PATHEXT"]);

const forUpstream =
  /^(?:HOME|USER|LOGNAME|USERPROFILE|HOMEDRIVE|HOMEPATH|APPDATA|LOCALAPPDATA|XDG_CONFIG_HOME|XDG_RUNTIME_DIR|SSH_AUTH_SOCK|SSH_AGENT_PID|GIT_SSH|GIT_SSH_COMMAND|GIT_SSH_VARIANT|GIT_SSL_\w+|GIT_HTTP_\w+|GIT_PROXY_\w+|GIT_CONFIG_(?:COUNT|KEY_\d+|VALUE_\d+|SYSTEM|NOSYSTEM)|https?_proxy|HTTPS?_PROXY|all_proxy|ALL_PROXY|no_proxy|NO_PROXY|SSL_CERT_FILE|SSL_CERT_DIR)$/;

// A repository on a bind mount belongs to another user, which git would refuse; git before 2.38 takes this setting
// from a file only. Packs stay packs: a transfer that breaks then leaves nothing, where unpacked objects would leave a
// commit without its files. Objects by id: clients ask for locked commits, whatever branch they are on.
const ownConfig = `[safe]
	directory = *
[gc]
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

/** Checks git's version and writes the configuration files. @throws MirrorError `git` */
export async function createGitEnvironments(environment: Environment): Promise<GitEnvironments> {
  const pick = (allowed: (name: string) => boolean) =>
    Object.fromEntries(
      Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined && allowed(pair[0])),
    );
  const common = {
    ...pick((name) => always.has(name)),
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    // Never fetch what a partial clone lacks behind a client's back.
    GIT_NO_LAZY_FETCH: "1",
    // What every git can read, whatever newer ones would make.
    GIT_DEFAULT_REF_FORMAT: "files",
  };
  await checkVersion(common);

  const dir = await mkdtemp(join(tmpdir(), "mirror-server-git-"));
  // By this name in a HOME of ours, since git before 2.32 does not know GIT_CONFIG_GLOBAL.
  const own = join(dir, ".gitconfig");
  const upstream = join(dir, "upstream.gitconfig");
  await writeFile(own, ownConfig);
  await writeFile(upstream, upstreamConfig(environment));
  return {
    own: { ...common, HOME: dir, GIT_CONFIG_GLOBAL: own, GIT_CONFIG_NOSYSTEM: "1", GIT_OPTIONAL_LOCKS: "0" },
    upstream: {
      ...common,
      ...pick((name) => forUpstream.test(name)),
      GIT_CONFIG_GLOBAL: upstream,
      GCM_INTERACTIVE: "never",
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The user's own global configuration, included, and what we add. A file that is not there is no error to git. */
function upstreamConfig(environment: Environment): string {
  const home = environment["HOME"] ?? homedir();
  const given = environment["GIT_CONFIG_GLOBAL"];
  const files =
    given === undefined ? [join(xdgConfig(environment, home), "git", "config"), join(home, ".gitconfig")] : [given];
  const includes = files.map((file) => `[include]\n\tpath = ${JSON.stringify(file.replaceAll("\\", "/"))}\n`);
  return `${includes.join("")}${ownConfig}`;
}

function xdgConfig(environment: Environment, home: string): string {
  return environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
}

async function checkVersion(env: Record<string, string>): Promise<void> {
  const text = await runGit(["--version"], { env, idleSeconds: 30 });
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
  if (major < minimum[0] || (major === minimum[0] && minor < minimum[1])) {
    throw new MirrorError("git", `git ${minimum.join(".")} or later is needed, this is ${text.trim()}`);
  }
}
