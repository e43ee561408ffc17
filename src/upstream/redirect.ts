/**
 * Where an answer redirects to, looked at before anybody follows it: to http never from https, and to an address of this
 * machine or its network only where somebody named that host. One policy, for files and for git.
 */
import { MirrorError } from "../errors.ts";
import { redactUrl } from "../names/git-url.ts";
import { isPrivateHost } from "./private-address.ts";

/** Whether a host may be asked that only content names. @param host lower case, without port or brackets */
export type MayAsk = (host: string) => Promise<boolean>;

/** As Hex has it. */
export const maxRedirects = 3;
const redirects = new Set([301, 302, 303, 307, 308]);

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** @returns undefined where the answer redirects nowhere @throws MirrorError `refused` for what is not followed */
export async function redirectOf({ status, headers }: Answer, from: string, mayAsk: MayAsk): Promise<URL | undefined> {
  const { location } = headers;
  if (!redirects.has(status) || location === undefined) return undefined;
  const shown = redactUrl(from);
  if (!URL.canParse(location, from)) throw new MirrorError("upstream", `${shown} redirects to what is no URL`);
  const next = new URL(location, from);
  if (!/^https?:$/.test(next.protocol) || (new URL(from).protocol === "https:" && next.protocol !== "https:")) {
    throw new MirrorError("refused", `${shown} redirects to ${next.protocol}//${next.host}, which is not followed`);
  }
  const host = hostOf(next.href) ?? "";
  if (host !== hostOf(from) && !(await mayAsk(host))) {
    throw new MirrorError(
      "refused",
      `${shown} redirects to ${host}, as a portal does that wants a login: ${privateHost(host).message}`,
    );
  }
  return next;
}

/** @param hosts those that somebody named */
export async function mayAsk(host: string, hosts: ReadonlySet<string>): Promise<boolean> {
  return hosts.has(host) || !(await isPrivateHost(host));
}

export function privateHost(host: string): MirrorError {
  return new MirrorError(
    "refused",
    `${host} is an address of this machine or its network, and only content names it; if that is right, give ` +
      `--allow-hosts ${host}`,
  );
}

/** Lower case, without port or brackets; undefined for what is no URL. */
export function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname.toLowerCase().replace(/^\[|\]$/g, "") : undefined;
}
