/**
 * What git is told of a URL, so that it asks that one and shows nobody the login in it. Git passes URLs on to its helpers
 * as arguments, where every user of the machine sees them: a login, whether it stands in a lock or in a rule of the
 * user's (`url.https://TOKEN@host/.insteadOf https://host/`), reaches git by a credential helper that reads variables.
 *
 * Our own set-ups point git at the mirror (`url.http://localhost:8000/github.com/.insteadOf https://github.com/`). A
 * sync that followed such a rule would ask the mirror for what it is to bring to the mirror. Other rules of the user,
 * such as https to ssh, hold.
 */
import { randomUUID } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { gitConfigVariables } from "./config-variables.ts";
import { tryGit, type Surroundings } from "./run.ts";
import { redactUrl } from "../names/git-url.ts";

export interface AskedUrl {
  /** Without a login that is a secret, or a name that stands for it; good for an argument. */
  readonly url: string;
  /** To add to git's environment. */
  readonly variables: Readonly<Record<string, string>>;
}

interface Login {
  readonly user: string;
  readonly password: string;
}

/** @param isSelf whether a URL leads to this mirror */
export async function askedUrl(
  upstream: Surroundings,
  url: string,
  isSelf: (url: string) => boolean,
): Promise<AskedUrl> {
  const { plain, login, ruled } = await resolved(upstream, url, isSelf);
  if (plain === url && ruled === url) return { url, variables: {} };
  // By a name of our own: a rule of the user's may be for the whole URL, and rules are applied once.
  const alias = `mirror-server-upstream:${randomUUID()}`;
  const rules: [string, string][] = [[`url.${plain}.insteadOf`, alias]];
  if (login === undefined) return { url: alias, variables: gitConfigVariables(upstream.env, rules) };
  const helper = `credential.${new URL(plain).origin}.helper`;
  return {
    url: alias,
    variables: {
      // The empty one forgets those of the user, who need not keep this login.
      ...gitConfigVariables(upstream.env, [...rules, [helper, ""], [helper, helperScript]]),
      MIRROR_GIT_USER: login.user,
      MIRROR_GIT_PASSWORD: login.password,
    },
  };
}

/** Where git goes for a URL, and as whom where a login stands in it; for what is asked beside git. @param isSelf likewise */
export async function reachedUrl(
  upstream: Surroundings,
  url: string,
  isSelf: (url: string) => boolean,
): Promise<{ readonly url: string; readonly authorization: string | undefined }> {
  const { plain, login } = await resolved(upstream, url, isSelf);
  const text = login === undefined ? undefined : `${login.user}:${login.password}`;
  return {
    url: plain,
    authorization: text === undefined ? undefined : `Basic ${Buffer.from(text).toString("base64")}`,
  };
}

async function resolved(upstream: Surroundings, url: string, isSelf: (url: string) => boolean) {
  const own = splitLogin(url);
  // A rule for a URL with a login in it would be written by nobody.
  const ruled = own.login === undefined ? await ruledUrl(upstream, url) : url;
  const { url: plain, login } = own.login !== undefined || isSelf(ruled) ? own : splitLogin(ruled);
  return { plain, login, ruled };
}

// `printf` is the shell's own: no process has the login among its arguments.
const helperScript =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$MIRROR_GIT_USER" "$MIRROR_GIT_PASSWORD"; }; f';

/**
 * Whom to ask as nobody in particular: where the user's rules lead by http or https, without a login of theirs; else the URL
 * itself, since what they lead to may only be had by who they are.
 */
export async function publicUrl(upstream: Surroundings, url: string): Promise<string> {
  const ruled = await ruledUrl(upstream, url);
  const isPublic = /^https?:\/\//i.test(ruled) && URL.canParse(ruled);
  const parsed = new URL(isPublic ? ruled : url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

/** As the user's rules have it. */
async function ruledUrl(upstream: Surroundings, url: string): Promise<string> {
  const { code, stdout } = await tryGit(["ls-remote", "--get-url", "--", url], upstream);
  return code === 0 ? stdout.toString("utf8").trim() : url;
}

/**
 * A user's name alone is no secret, but what stands in its place may be a token.
 * @throws MirrorError `refused` for a login that cannot be told from the rest
 */
function splitLogin(url: string): { url: string; login: Login | undefined } {
  if (!/^(?:https?|git|ssh|git\+ssh):\/\//i.test(url) || !url.includes("@")) return { url, login: undefined };
  if (!URL.canParse(url) || /[?#\\]/.test(url)) {
    throw new MirrorError(
      "refused",
      `git URL ${JSON.stringify(redactUrl(url))}: its login cannot be told from the rest`,
    );
  }
  const parsed = new URL(url);
  const isHttp = /^https?:$/.test(parsed.protocol);
  const isName =
    parsed.password === "" && parsed.protocol !== "git:" && (!isHttp || /^[\w.-]{0,16}$/.test(parsed.username));
  if (isName) return { url, login: undefined };
  const user = decoded(parsed.username);
  const password = decoded(parsed.password);
  // By text, since a parsed URL is spelt in its own way. The login ends at the last @ of the authority.
  const [, scheme = "", rest = ""] = /^([a-z+]+:\/\/)[^/?#]*@(.*)$/is.exec(url) ?? [];
  // Ssh takes no password from a URL, and git's own protocol knows no users.
  if (/^git:/i.test(scheme)) return { url: `${scheme}${rest}`, login: undefined };
  if (!isHttp) return { url: `${scheme}${parsed.username}@${rest}`, login: undefined };
  return { url: `${scheme}${rest}`, login: { user, password } };
}

/** A percent sign that begins nothing stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param names the mirror's own host names @param ports those that it listens on */
export function leadsTo(names: readonly string[], ports: readonly number[]): (url: string) => boolean {
  return (url) => {
    if (!URL.canParse(url)) return false;
    const { protocol, hostname, port } = new URL(url);
    const own = hostname.replace(/^\[|\]$/g, "");
    const isOwnHost = own === "localhost" || own === "::1" || own.startsWith("127.") || names.includes(own);
    return isOwnHost && ports.includes(Number(port || (protocol === "https:" ? 443 : 80)));
  };
}
