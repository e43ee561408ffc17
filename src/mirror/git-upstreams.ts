/**
 * Who is asked for a git repository, and who is not: its URLs one after the other, the safest first; where a redirect
 * leads, once it has been looked at; and no host of this network that only content names.
 */
import type { Config } from "../config.ts";
import { MirrorError, describeError } from "../errors.ts";
import type { HttpClient } from "../fetch/http.ts";
import { isPrivateHost } from "../fetch/private-address.ts";
import type { GitEnvironments } from "../git/environment.ts";
import type { RepositoryOutcome } from "../git/mirror-repository.ts";
import { isUnencrypted, redactUrl } from "../git/url.ts";
import { fileJobs } from "../plan/files.ts";
import type { GitJob } from "../plan/plan.ts";

export interface GitUpstreams {
  readonly environments: GitEnvironments;
  readonly http: HttpClient;
  /** Those that somebody named, and that may be asked whatever their address. */
  readonly hosts: ReadonlySet<string>;
}

const maxRedirects = 5;
const maxAnswer = 64 * 1024;

/** Hosts that a lock, the configuration or `--allow-hosts` names. */
export function trustedHosts(config: Config, jobs: readonly Pick<GitJob, "host">[]): ReadonlySet<string> {
  const { hexUrl, buildsUrl, repos, files, allowHosts } = config;
  const urls = [hexUrl, buildsUrl, ...repos.map(({ url }) => url), ...fileJobs(files).map(({ url }) => url)];
  const hosts = [...jobs.map(({ host }) => host), ...allowHosts.map((host) => host.toLowerCase())];
  return new Set([...hosts, ...urls.map(hostOf).filter((host) => host !== undefined)]);
}

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

/** Lower case, without port; undefined for what is no URL. */
function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname.toLowerCase().replace(/^\[|\]$/g, "") : undefined;
}

/** @param fromOne brings the repository from one URL @throws the error of the last that was asked */
export async function fromAny(
  { urls }: Pick<GitJob, "urls">,
  upstreams: GitUpstreams,
  { fromOne, note }: { fromOne: (url: string) => Promise<RepositoryOutcome>; note: (text: string) => void },
): Promise<RepositoryOutcome> {
  for (const [index, url] of urls.entries()) {
    try {
      if (isUnencrypted(url))
        note(`is asked for over ${url.slice(0, url.indexOf(":"))}, which anybody on the way can change`);
      return await following(url, upstreams, fromOne);
    } catch (error) {
      if (index === urls.length - 1 || !isOfUpstream(error)) throw error;
      note(`cannot be had from ${redactUrl(url)}: ${describeError(error)}; another URL of it is asked`);
    }
  }
  throw new MirrorError("git", "no URL is known of it");
}

async function following(
  url: string,
  upstreams: GitUpstreams,
  fromOne: (url: string) => Promise<RepositoryOutcome>,
): Promise<RepositoryOutcome> {
  try {
    return await fromOne(url);
  } catch (error) {
    const next = saysRedirect(error) ? await whereItLeads(url, upstreams) : undefined;
    if (next === undefined) throw error;
    return fromOne(next);
  }
}

/** What another upstream may do better. */
function isOfUpstream(error: unknown): boolean {
  return error instanceof MirrorError && ["upstream", "not_found", "git"].includes(error.code);
}

function saysRedirect(error: unknown): boolean {
  const stderr = error instanceof MirrorError ? String(error.data["stderr"]) : "";
  return /returned error: 30[12378]\b/.test(stderr);
}

/**
 * As git would follow it from its first request, but looked at first: never from https to http, and never to a private
 * address that nobody named. @returns undefined where it leads to no repository
 */
async function whereItLeads(url: string, { http, hosts }: GitUpstreams): Promise<string | undefined> {
  const suffix = "/info/refs?service=git-upload-pack";
  const first = hostOf(url);
  const named = first === undefined ? hosts : new Set([...hosts, first]);
  const { origin, pathname } = new URL(url);
  let base = `${origin}${pathname.replace(/\/$/, "")}`;
  for (let redirects = 0; redirects < maxRedirects; redirects += 1) {
    const { status, headers } = await http.get(base + suffix, { maxSize: maxAnswer });
    const location = headers["location"];
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) break;
    const next = new URL(location, base + suffix);
    if (!next.href.endsWith(suffix)) return undefined;
    const host = hostOf(next.href) ?? "";
    if (!/^https?:$/.test(next.protocol) || (base.startsWith("https:") && next.protocol !== "https:")) {
      throw new MirrorError("refused", `it redirects to ${next.protocol}//${next.host}, which is not followed`);
    }
    if (!(await mayAsk(host, named))) throw privateHost(host);
    next.username = "";
    next.password = "";
    base = next.href.slice(0, -suffix.length);
  }
  return base;
}
