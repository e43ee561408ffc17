/**
 * Who is asked for a git repository, and who is not: its URLs one after the other, the safest first; where a redirect
 * leads, once it has been looked at; and no host of this network that only content names.
 */
import { MirrorError, describeError } from "../errors.ts";
import type { HttpClient } from "../upstream/http.ts";
import { maxRedirects, mayAsk, redirectOf } from "../upstream/redirect.ts";
import type { RepositoryOutcome } from "../git/mirror-repository.ts";
import { isUnencrypted, redactUrl } from "../names/git-url.ts";
import type { GitJob } from "../plan/repositories.ts";
import { trimEnd } from "../text.ts";

interface GitUpstreams {
  readonly http: HttpClient;
  /** Those that somebody named, and that may be asked whatever their address. */
  readonly hosts: ReadonlySet<string>;
}

const maxAnswer = 64 * 1024;

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
 * As git would follow it from its first request, but looked at first (fetch/redirect.ts).
 * @returns undefined where it leads to no repository
 */
async function whereItLeads(url: string, { http, hosts }: GitUpstreams): Promise<string | undefined> {
  const suffix = "/info/refs?service=git-upload-pack";
  const { origin, pathname } = new URL(url);
  let base = `${origin}${trimEnd(pathname, "/")}`;
  for (let redirects = 0; redirects < maxRedirects; redirects += 1) {
    const answer = await http.get(base + suffix, { maxSize: maxAnswer });
    const next = await redirectOf(answer, base + suffix, async (host) => mayAsk(host, hosts));
    if (next === undefined) return base;
    if (!next.href.endsWith(suffix)) return undefined;
    next.username = "";
    next.password = "";
    base = next.href.slice(0, -suffix.length);
  }
  throw new MirrorError("upstream", `${redactUrl(url)} redirects more than ${maxRedirects} times`);
}
