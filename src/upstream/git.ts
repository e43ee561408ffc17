/**
 * Asking for a git repository: its URLs one after the other, the safest first; under the policy that holds for everything
 * (patience.ts), with git's words as what went wrong; where a redirect leads, once it has been looked at.
 */
import { MirrorError, describeError } from "../errors.ts";
import { saysEmpty, type AskUpstream } from "../git/remote-refs.ts";
import { stderrOf } from "../git/run.ts";
import { isUnencrypted, parseGitUrl, redactUrl } from "../names/git-url.ts";
import { trimEnd } from "../text.ts";
import type { Patience } from "./patience.ts";
import { gitTrouble } from "./git-trouble.ts";
import type { HttpClient } from "./http.ts";
import { pageError } from "./page.ts";
import type { Proxies } from "./proxies.ts";

export interface GitUpstreams {
  readonly http: HttpClient;
  readonly patience: Patience;
  readonly proxies: Proxies;
  readonly signal: AbortSignal;
}

/** Brings the repository from one URL. */
export type FromOne<T> = (url: string, ask: AskUpstream) => Promise<T>;

const listSuffix = "/info/refs?service=git-upload-pack";
const maxAnswer = 8 * 1024 * 1024;
// Whatever else is wrong with one URL, another may do better.
const ofOurs = new Set(["cancelled", "storage", "busy", "config"]);

/** @throws the error of the one that came closest: of several that fail, the last */
export async function fromAny<T>(
  urls: readonly string[],
  upstreams: GitUpstreams,
  { fromOne, note }: { readonly fromOne: FromOne<T>; readonly note: (text: string) => void },
): Promise<T> {
  for (const [index, url] of urls.entries()) {
    try {
      if (isUnencrypted(url))
        note(`is asked for over ${url.slice(0, url.indexOf(":"))}, which anybody on the way can change`);
      return await following(url, upstreams, fromOne);
    } catch (error) {
      const isOfOurs = error instanceof MirrorError ? ofOurs.has(error.code) : true;
      if (index === urls.length - 1 || isOfOurs || upstreams.signal.aborted) throw error;
      note(`cannot be had from ${redactUrl(url)}: ${describeError(error)}; another URL of it is asked`);
    }
  }
  throw new MirrorError("git", "no URL is known of it");
}

async function following<T>(url: string, upstreams: GitUpstreams, fromOne: FromOne<T>): Promise<T> {
  try {
    return await fromOne(url, askGit(url, upstreams));
  } catch (error) {
    const next = saysRedirect(error) ? await whereItLeads(url, upstreams) : undefined;
    if (next === undefined) throw error;
    return fromOne(next, askGit(next, upstreams));
  }
}

function askGit(url: string, { http, patience, proxies, signal }: GitUpstreams): AskUpstream {
  const host = hostOfGit(url);
  const tries = patience.limits.gitTries;
  return async (attempt) =>
    patience.ask(host, { signal, tries, damagedTries: tries }, async (turn) => {
      turn.begin();
      try {
        return await attempt({ signal: turn.signal, sign: () => turn.sign() });
      } catch (error) {
        if (saysEmpty(error) && (await sendsPage(url, http, turn.signal))) throw pageError(host);
        const trouble = await gitTrouble(error, { url, host, proxies });
        if (trouble.hasAnswered) turn.sign(true);
        throw trouble.error;
      }
    });
}

/** Git takes a page for a list without refs, by the old protocol of plain files. */
async function sendsPage(url: string, http: HttpClient, signal: AbortSignal): Promise<boolean> {
  if (!/^https?:/i.test(url)) return false;
  const list = `${trimEnd(url, "/")}${listSuffix}`;
  return http.get(list, { maxSize: maxAnswer, signal }, ({ isPage }) => isPage).catch(() => false);
}

/** As `new URL().host` has it, for ssh's short form too. */
function hostOfGit(url: string): string {
  return URL.canParse(url) && new URL(url).host !== "" ? new URL(url).host : parseGitUrl(url, true).host;
}

function saysRedirect(error: unknown): boolean {
  return /returned error: 30[12378]\b/.test(stderrOf(error));
}

/**
 * As git would follow it from its first request, but looked at first (redirect.ts).
 * @returns undefined where it leads to no repository
 */
async function whereItLeads(url: string, { http, signal }: GitUpstreams): Promise<string | undefined> {
  const { origin, pathname } = new URL(url);
  const base = `${origin}${trimEnd(pathname, "/")}`;
  const first = base + listSuffix;
  const last = await http.get(first, { maxSize: maxAnswer, signal }, (answer) => answer.url);
  if (last === first || !last.endsWith(listSuffix)) return undefined;
  const next = new URL(last.slice(0, -listSuffix.length));
  next.username = "";
  next.password = "";
  return next.href;
}
