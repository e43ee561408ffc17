/**
 * How git is led to a mirror, whatever the user's own configuration says. Of the rules that fit a URL git takes the
 * longest, and of two that are equally long the one that it reads first. So ours stand where it reads first of all, and
 * each rule of the user's that is longer gets one of ours that is as long. Pure.
 */
import { formatConfig, quoted, type Setting } from "../git/config-file.ts";
import type { UsersGit } from "../git/users-settings.ts";
import { isHostName } from "../names/git-url.ts";
import { singleQuoted, trimEnd } from "../text.ts";

/** A name of git's setting and its value. */
export type GitSetting = readonly [string, string];

export interface GitSetup {
  /** Where the mirror is reached, without a slash at the end. */
  readonly url: string;
  /** Hosts whose repositories are mirrored. */
  readonly gitHosts: readonly string[];
  /** How locks begin URLs of such hosts otherwise than everybody does: `ssh://git@git.example.org:2222/`. */
  readonly gitPrefixes: readonly { readonly prefix: string; readonly host: string }[];
  /** The user's own settings. */
  readonly users: UsersGit;
  /** Whether nothing but the mirror is to be reached, by whatever URL. */
  readonly isHermetic: boolean;
}

/** As git reads it, and as nobody else writes it: so that it is known for ours. */
const always = "Always";

/** Every form in which a lock may write a URL of a host. */
function formsOf(host: string): string[] {
  return [
    `https://${host}/`,
    `http://${host}/`,
    `git://${host}/`,
    `ssh://git@${host}/`,
    `ssh://${host}/`,
    `git+ssh://git@${host}/`,
    `git@${host}:`,
  ];
}

/** Each way to begin a URL, and what the mirror has instead. */
export function gitRules(setup: GitSetup): GitSetting[] {
  const { url, gitHosts, gitPrefixes, isHermetic } = setup;
  const to = (place: string) => `url.${url}/${place}.insteadOf`;
  const known = new Map([
    ...gitHosts.flatMap((host) => formsOf(host).map((form) => [form, host] as const)),
    ...gitPrefixes.map(({ prefix, host }) => [prefix, host] as const),
  ]);
  return [
    ...[...known].map(([prefix, host]) => [to(`${host}/`), prefix] as const),
    ...rivalRules(setup).flatMap(({ prefix, place }): GitSetting[] => (known.has(prefix) ? [] : [[to(place), prefix]])),
    // What is asked of the mirror itself stays as it is.
    ...(isHermetic ? [[`url.${url}/.insteadOf`, `${url}/`] as const] : []),
    ...(isHermetic
      ? ["https://", "http://", "git://", "ssh://git@", "ssh://"].map((start) => [to(""), start] as const)
      : []),
  ];
}

/** The user's own rules about what is mirrored, and which place of the mirror each is about: `github.com/owner/`. */
export function rivalRules({
  gitHosts,
  gitPrefixes,
  users,
  isHermetic,
}: GitSetup): { prefix: string; place: string }[] {
  const hosts = new Set([...gitHosts, ...gitPrefixes.map(({ host }) => host)]);
  const isMirrored = (host: string) => isHermetic || hosts.has(host);
  return users.settings.flatMap(({ name, value: prefix }) => {
    const base = /^url\.(.*)\.insteadof$/is.exec(name)?.[1];
    if (base === undefined || !prefix || /[\0-\x1f\x7f]/.test(prefix)) return [];
    // What looks like a host may be a word of the user's own for something else: `gh:`.
    const isUrl = prefix.includes("://") || hosts.has(placeOf(prefix)?.host ?? "");
    const places = isUrl ? [placeOf(prefix), placeOf(base)] : [placeOf(base), placeOf(prefix)];
    const place = places.find((found) => found !== undefined && isMirrored(found.host));
    return place === undefined ? [] : [{ prefix, place: `${place.host}/${place.rest}` }];
  });
}

/** How the beginning of a URL goes on after its host: `git@github.com:owner/` → `github.com`, `owner/` */
function placeOf(start: string): { host: string; rest: string } | undefined {
  const found =
    /^(?:https?|git|ssh|git\+ssh):\/\/(?:[^/@]*@)?(\[[0-9a-f:.]+\]|[^/:@[\]]+)(?::\d+)?\/+(.*)$/i.exec(start) ??
    /^(?:[^/@:]+@)?([^/:@[\]]+):(?!\/\/)\/*(.*)$/.exec(start);
  const host = (found?.[1] ?? "").toLowerCase().replace(/^\[(.*)\]$/, "$1");
  const rest = found?.[2] ?? "";
  return isHostName(host) && !rest.startsWith("../") ? { host, rest } : undefined;
}

/**
 * One for each repository and each way to begin its URL: longer than any rule about a host or an owner, also than those that
 * hold in some folder only, such as by `includeIf`. @param repositories `github.com/owner/repo`, without `.git`
 */
export function rulesOfEach({ url, gitPrefixes }: GitSetup, repositories: readonly string[]): GitSetting[] {
  return repositories.flatMap((repository) => {
    const [host = ""] = repository.split("/", 1);
    const own = gitPrefixes.filter((each) => each.host === host).map(({ prefix }) => prefix);
    const path = repository.slice(host.length + 1);
    return [...new Set([...formsOf(host), ...own])].map(
      (form) => [`url.${url}/${repository}.insteadOf`, `${form}${path}`] as const,
    );
  });
}

/**
 * For git before 2.32, which reads the user's files first: one rule for each repository that a rule of the user's is about,
 * longer than theirs. @param repositories likewise
 */
export function repositoryRules(setup: GitSetup, repositories: readonly string[]): GitSetting[] {
  const found = rivalRules(setup).flatMap(({ prefix, place }) =>
    repositories
      .filter((repository) => repository.startsWith(place))
      .flatMap((repository) => {
        const whole = prefix + repository.slice(place.length);
        return [whole, `${whole}.git`].map((each) => [`url.${setup.url}/${repository}.insteadOf`, each] as const);
      }),
  );
  return found;
}

/** Whether a rule may stand where it can be printed: a login in a URL may be a token. */
export function isWithoutSecret([name, value]: GitSetting): boolean {
  return !/\.insteadof$/i.test(name) || /^(?:[a-z+]+:\/\/)?(?:[\w.-]{0,16}@)?[^@]*$/i.test(value);
}

/** For the mirror's URL: nothing of what the user sends to all, no other address of it, and that it may be asked at all. */
export function gitSettings({
  url,
  gitCredentials,
}: {
  url: string;
  gitCredentials: string | undefined;
}): GitSetting[] {
  const own = `http.${url}/`;
  return [
    [`${own}.extraHeader`, ""],
    [`${own}.curloptResolve`, ""],
    [`${own}.proactiveAuth`, "none"],
    [`protocol.${new URL(url).protocol.slice(0, -1)}.allow`, always],
    // The mirror's own helper and no other, so that none of the user's comes to keep its token.
    ...(gitCredentials === undefined
      ? []
      : ([
          [`credential.${url}.helper`, ""],
          [`credential.${url}.helper`, `store --file ${singleQuoted(gitCredentials)}`],
        ] as const)),
  ];
}

/** Whether a numbered setting of the environment is one that was made here. @param url of the mirror that it is for */
export function isOurSetting(key: string, value: string, url: string): boolean {
  if (/^protocol\.https?\.allow$/.test(key)) return value === always;
  return [`url.${url}/`, `credential.${url}.`, `http.${url}/.`].some((start) => key.startsWith(start));
}

/** What git reads before all else: our rules, and then what it would have read there. */
export function systemConfig(rules: readonly GitSetting[], { systemFile }: UsersGit): string {
  const included = systemFile === undefined ? "" : `[include]\n\tpath = ${quoted(systemFile.replaceAll("\\", "/"))}\n`;
  return `# Written by mirror-server.\n${formatConfig(rules)}${included}`;
}

/** Files of authorities that the user's git is told of, absolute. */
export function gitAuthorityFiles(settings: readonly Setting[], home: string | undefined): string[] {
  const files = settings.filter(({ name }) => /^http\.(?:.*\.)?sslcainfo$/i.test(name)).map(({ value }) => value ?? "");
  return files
    .map((file) => (file.startsWith("~/") && home !== undefined ? `${trimEnd(home, "/")}${file.slice(1)}` : file))
    .filter((file) => file.startsWith("/"));
}
