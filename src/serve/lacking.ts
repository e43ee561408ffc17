/**
 * What clients on this machine asked for and could not be given, for who started them: `exec` tells it in a line at its end.
 * The last thousand are kept in memory, of each thing the last time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { MirrorError } from "../errors.ts";
import { normalisePath } from "../names/git-url.ts";
import type { Target } from "./hosts.ts";

export interface Lack {
  readonly kind: Target["kind"];
  /** Empty: the mirror itself. */
  readonly host: string;
  /** As it was asked for, without its query; of a git repository `owner/repo`. */
  readonly path: string;
  /** `not_found`, or why upstream could not be asked: `away`, `upstream`. */
  readonly code: string;
  /** What the client was told. */
  readonly reason: string;
}

const most = 1000;
// Characters: no name of anything is longer.
const longestPath = 500;
// How long who asks waits for what has passed to clients and is being kept. Milliseconds.
const patience = 10_000;
// What is not there, and what could not be asked for; not what was refused, or came and was wrong.
const counted = new Set(["not_found", "away", "upstream"]);

export class Lacking {
  private readonly asked = new LRUCache<string, Lack & { readonly at: number }>({ max: most });
  private readonly made: () => Promise<void>;

  /** @param made when what has passed to clients so far is held, or will not be */
  constructor(made: () => Promise<void>) {
    this.made = made;
  }

  note(target: Target | undefined, { code, message }: Pick<MirrorError, "code" | "message">): void {
    if (target === undefined || !counted.has(code)) return;
    const path = target.kind === "git" ? (normalisePath(target.repository) ?? "") : target.path;
    const host = target.kind === "own" || target.kind === "upstream" ? "" : target.host;
    if (path.length > longestPath) return;
    const lack = { kind: target.kind, host, path, code, reason: message };
    this.asked.set(`${lack.kind} ${host}${path}`, { ...lack, at: Date.now() });
  }

  /**
   * Once what clients were given is held, as far as that ends soon: who asks looks next at what is here.
   * @param time milliseconds since 1970
   * @returns in the order in which they were asked for
   */
  async since(time: number): Promise<Lack[]> {
    await Promise.race([this.made(), sleep(patience, undefined, { ref: false })]);
    const found = [...this.asked.values()].filter(({ at }) => at >= time).sort((a, b) => a.at - b.at);
    return found.map(({ kind, host, path, code, reason }) => ({ kind, host, path, code, reason }));
  }
}
