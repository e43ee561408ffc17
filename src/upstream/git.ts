/**
 * Asking for a git repository: its URLs one after the other, the safest first; under the policy that holds for everything
 * (patience.ts), with git's words as what went wrong; where a redirect leads, once it has been looked at.
 */
import { MirrorError, describeError } from "../errors.ts";
import { saysCommitIsAbsent } from "../git/pins.ts";
import { saysEmpty, type AskUpstream } from "../git/remote-refs.ts";
import { canTrace, stderrOf } from "../git/run.ts";
import { isUnencrypted, parseGitUrl, redactUrl } from "../names/git-url.ts";
import { trimEnd } from "../text.ts";
import type { Patience, Turn } from "./patience.ts";
import { gitTrouble } from "./git-trouble.ts";
import type { HttpClient } from "./http.ts";
import { upstreamTrouble } from "./trouble.ts";
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

/** @throws of several that fail, the error of the last, but where another has the repository and not the commit */
export async function fromAny<T>(
  urls: readonly string[],
  upstreams: GitUpstreams,
  { fromOne, note }: { readonly fromOne: FromOne<T>; readonly note: (text: string) => void },
): Promise<T> {
  let lacksCommit: unknown;
  for (const [index, url] of urls.entries()) {
    try {
      if (isUnencrypted(url))
        note(`is asked for over ${url.slice(0, url.indexOf(":"))}, which anybody on the way can change`);
      return await following(url, upstreams, fromOne);
    } catch (error) {
      const isOfOurs = error instanceof MirrorError ? ofOurs.has(error.code) : true;
      if (isOfOurs || upstreams.signal.aborted) throw error;
      lacksCommit ??= saysCommitIsAbsent(error) ? error : undefined;
      if (index === urls.length - 1) throw lacksCommit ?? error;
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
      // Where nothing tells whether it answers, its silence says nothing; git and ssh have times of their own.
      if (!isHttp(url) || !canTrace) turn.rest();
      try {
        return await attempt(turn);
      } catch (error) {
        if (saysEmpty(error)) throw await emptyError(error, { url, host, http, turn });
        const trouble = await gitTrouble(error, { url, host, proxies });
        if (trouble.hasAnswered) turn.sign(true);
        throw trouble.error;
      }
    });
}

interface Empty {
  readonly url: string;
  readonly host: string;
  readonly http: HttpClient;
  readonly turn: Turn;
}

/** Git takes a page for a list without refs, by the old protocol of plain files: so the list is looked at. */
async function emptyError(error: unknown, { url, host, http, turn }: Empty): Promise<unknown> {
  // Somebody has answered; what follows is asked for by its own right.
  turn.sign();
  turn.rest();
  const seen = isHttp(url) ? await lookAtList(url, http, turn.signal) : "nothing";
  if (seen === "a page") return pageError(host);
  return seen === "no refs" ? error : upstreamTrouble({ kind: "damaged", host }, describeError(error));
}

async function lookAtList(url: string, http: HttpClient, signal: AbortSignal) {
  const list = `${trimEnd(url, "/")}${listSuffix}`;
  try {
    return await http.get(list, { maxSize: maxAnswer, signal }, ({ status, body, isPage }) => {
      if (isPage) return "a page";
      if (status !== 200) return "nothing";
      return /[0-9a-f]{40}[ \t](?:HEAD|refs\/)/.test(body.toString("latin1")) ? "refs" : "no refs";
    });
  } catch {
    return "nothing";
  }
}

function isHttp(url: string): boolean {
  return /^https?:/i.test(url);
}

/** As `new URL().host` has it; what is asked in another way than by HTTP may be away by itself. */
function hostOfGit(url: string): string {
  if (isHttp(url)) return new URL(url).host;
  const scheme = /^([a-z+]+):\/\//i.exec(url)?.[1] ?? "ssh";
  return `${scheme.toLowerCase()}://${parseGitUrl(url, true).host}`;
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
