/**
 * What the user's git gets of the user's environment, for asking upstream and nothing else: all that credential helpers,
 * askpass programs, proxies and ssh read, whatever it is called. What goes is what ties git to a repository of somebody's (a
 * hook runs with such variables), leads it to other programs of git's, writes traces beside what we read, or turns
 * verification off. Pure.
 */
import { resolve } from "node:path";
import { verificationSwitches } from "../verification.ts";
import { gitConfigVariables } from "./config-variables.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const dropped = new Set([
  ...verificationSwitches,
  "GIT_EXEC_PATH",
  "GIT_TEMPLATE_DIR",
  "GIT_NAMESPACE",
  // Within a hook that looks at what is being pushed, no ref could be written.
  "GIT_QUARANTINE_PATH",
  "GIT_CURL_VERBOSE",
]);
// And tokens for others.
const droppedPattern = /^(?:GIT_(?:TRACE|REDIRECT_STD|CONFIG_(?:KEY|VALUE)_)|MIRROR_TOKEN_)/;
// Of settings that come by number: what is about one repository.
const ofRepository = /^(?:core\.(?:worktree|bare|repositoryformatversion)|extensions\..*)$/i;

/** @param local the names that `git rev-parse --local-env-vars` gives */
export function usersGitEnvironment(environment: Environment, local: readonly string[]): Record<string, string> {
  const isDropped = (name: string) => dropped.has(name) || local.includes(name) || droppedPattern.test(name);
  const kept = Object.entries(environment).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && !isDropped(pair[0]),
  );
  const users: Record<string, string> = Object.fromEntries(kept);
  const { HTTP_PROXY: proxy } = users;
  // Git reads it in lower case only, and Hex is asked through it as well.
  if (proxy !== undefined) users["http_proxy"] ??= proxy;
  return { ...users, ...gitConfigVariables({}, numberedSettings(environment)) };
}

/** `GIT_CONFIG_COUNT` and its pairs, those that git could read. */
function numberedSettings(environment: Environment): [string, string][] {
  const count = Number(environment["GIT_CONFIG_COUNT"] ?? 0);
  if (!Number.isInteger(count) || count < 0 || count > 10_000) return [];
  return Array.from({ length: count }, (_, index) => index).flatMap((index): [string, string][] => {
    const key = environment[`GIT_CONFIG_KEY_${index}`];
    const value = environment[`GIT_CONFIG_VALUE_${index}`];
    const isSetting = key !== undefined && value !== undefined && isName(key) && !ofRepository.test(key);
    return isSetting ? [[key, value]] : [];
  });
}

/** As git takes them: `section.key`, `section.anything at all.key`. */
function isName(key: string): boolean {
  const [section = "", ...rest] = key.split(".");
  const name = rest.at(-1) ?? "";
  return /^[a-z0-9-]+$/i.test(section) && /^[a-z][a-z0-9-]*$/i.test(name) && !key.includes("\n");
}

const programs = new Set(["GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSH"]);
const files = /^(?:GIT_SSL_(?:CAINFO|CAPATH|CERT|KEY)|GIT_PROXY_SSL_(?:CAINFO|CERT|KEY)|GIT_CONFIG_SYSTEM)$/;

/** Git runs in a folder of our own, and these count from the user's. */
export function withAbsolutePaths(environment: Readonly<Record<string, string>>, cwd: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      // A program's name alone is looked for in PATH.
      const isPath = files.test(name) ? value !== "" : programs.has(name) && value.includes("/");
      return [name, isPath ? resolve(cwd, value) : value];
    }),
  );
}
