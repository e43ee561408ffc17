/** What upstream advertises, and which of it a mirror gets. Names of refs are bytes, here as Latin-1. */
import { MirrorError } from "../errors.ts";
import type { GitTools } from "./bare-repository.ts";
import { isPin } from "./pins.ts";
import { runGit, upstreamIdleSeconds } from "./run.ts";

/** One question to upstream, as often as it takes to be answered. */
export type AskUpstream = <T>(attempt: (turn: GitTurn) => Promise<T>) => Promise<T>;

export interface GitTurn {
  /** Ends it. */
  readonly signal: AbortSignal;
  /** To be called when upstream answers. @param isError it says no more than that it cannot */
  readonly sign: (isError?: boolean) => void;
  /** To be called when nothing more is waited for from upstream just now: git has times of its own for what comes. */
  readonly rest: () => void;
}

/** Of a try, for runs of git: what upstream answers over HTTP. */
export function answersOf({ sign, rest }: GitTurn, onAnswer?: () => void): (status: number) => void {
  return (status) => {
    onAnswer?.();
    sign(status === 429 || status >= 500);
    rest();
  };
}

export interface UpstreamTools extends GitTools {
  readonly signal: AbortSignal;
  readonly ask: AskUpstream;
  /** Variables for what asks upstream. */
  readonly extra: Readonly<Record<string, string>>;
  /** Told when upstream answers by HTTP. */
  readonly onAnswer?: () => void;
  /** Told when upstream is sent a login. */
  readonly onLogin?: () => void;
}

export interface RefsOfJob {
  readonly kind: "all" | "locked" | "shallow";
  /** Full names; of no meaning for `all`. */
  readonly names: readonly string[];
  readonly defaultBranch: boolean;
}

/** Full name → object id; what HEAD points to, and the commit there. */
export interface Advertisement {
  readonly refs: ReadonlyMap<string, string>;
  /** undefined: HEAD is detached, or the server does not tell. */
  readonly head: string | undefined;
  readonly headId: string | undefined;
}

const isEmpty = true;

/** Whether upstream answered with no ref at all. */
export function saysEmpty(error: unknown): boolean {
  return error instanceof MirrorError && error.data["isEmpty"] === true;
}

/** @throws MirrorError, also where there is no ref at all */
export async function listRemote(url: string, tools: UpstreamTools): Promise<Advertisement> {
  const args = ["ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*"];
  const text = await tools.ask(async (turn) => {
    const { env, cwd } = tools.environments.upstream();
    const { signal, sign } = turn;
    const running = {
      cwd,
      signal,
      idleSeconds: upstreamIdleSeconds,
      onStatus: answersOf(turn, tools.onAnswer),
      onLogin: tools.onLogin,
    };
    const answer = await runGit(args, { ...running, env: { ...env, ...tools.extra } });
    // What is no git server may pass for one without any ref, which would make everything that is here stale.
    if (answer.trim() === "")
      throw new MirrorError("git", "upstream lists no branch and no tag", { data: { isEmpty } });
    sign();
    return answer;
  });
  const refs = new Map<string, string>();
  let head: string | undefined;
  let headId: string | undefined;
  for (const line of text.split("\n")) {
    const [value = "", ref = ""] = line.split("\t");
    if (ref === "HEAD") {
      if (value.startsWith("ref: ")) head = value.slice("ref: ".length);
      else headId = value;
    }
    // `refs/tags/v1^{}` is what the tag v1 points to, not a ref.
    else if (/^refs\/(?:heads|tags)\//.test(ref) && !ref.endsWith("^{}") && !isPin(ref)) refs.set(ref, value);
  }
  return { refs, head, headId };
}

export function selectRefs(upstream: Advertisement, { kind, names, defaultBranch }: RefsOfJob): Map<string, string> {
  if (kind === "all") return new Map(upstream.refs);
  const asked = new Set(names.map((name) => Buffer.from(name).toString("latin1")));
  const head = headBranch(upstream);
  // A shallow mirror serves clients that ask for a commit by its id; branches would only make it deeper.
  const isWanted = (ref: string) =>
    (asked.has(ref) && (kind === "locked" || ref.startsWith("refs/tags/"))) ||
    (kind === "locked" && defaultBranch && ref === head);
  return new Map([...upstream.refs].filter(([ref]) => isWanted(ref)));
}

/** The branch that HEAD stands for: as upstream says, else one with that commit, as `git clone` would guess. */
export function headBranch({ refs, head, headId }: Advertisement): string | undefined {
  if (head !== undefined && refs.has(head)) return head;
  const same = [...refs].filter(([ref, id]) => id === headId && ref.startsWith("refs/heads/")).map(([ref]) => ref);
  return ["refs/heads/main", "refs/heads/master"].find((usual) => same.includes(usual)) ?? same.sort()[0];
}
