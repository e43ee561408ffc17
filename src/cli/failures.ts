/**
 * What failed, for people: what is about a host is one line, however many things it concerns, and the last line of all says
 * what to do about the cause that matters most.
 */
import { describeError, type ErrorCode } from "../errors.ts";
import type { Item } from "../names/item.ts";
import { troubleOf, type TroubleKind } from "../upstream/trouble.ts";
import { showItem } from "../names/shown-item.ts";

// About the host, or the way to it, whatever was asked for.
const ofHost: ReadonlySet<TroubleKind> = new Set([
  "silent",
  "unreachable",
  "name",
  "trust",
  "proxy",
  "page",
  "deadline",
]);

interface Group {
  readonly items: Item[];
  /** How many of them the host was not asked for. */
  untried: number;
}

export class FailureGroups {
  private groups = new Map<string, Group>();

  /** @returns whether it is told with others, later */
  add(item: Item, error: unknown): boolean {
    const trouble = troubleOf(error);
    if (trouble === undefined || !(ofHost.has(trouble.kind) || trouble.isOfHost === true)) return false;
    const text = describeError(error);
    const group = this.groups.get(text) ?? { items: [], untried: 0 };
    this.groups.set(text, group);
    group.items.push(item);
    // What was asked of a host that says nothing has come to no more than what was not.
    if (trouble.kind === "silent" || trouble.isUntried === true) group.untried += 1;
    return true;
  }

  /** `repo.hex.pm does not answer: 32 packages not tried` */
  takeLines(): string[] {
    const lines = [...this.groups].map(([text, { untried, items }]) => {
      const [only] = items;
      if (only !== undefined && items.length === 1) return `failed ${showItem(only)}: ${text}`;
      if (untried === items.length) return `${text}: ${countItems(items)} not tried`;
      return `${text}: ${countItems(items)} not fetched${untried === 0 ? "" : `, ${untried} of them not tried`}`;
    });
    this.groups = new Map();
    return lines;
  }
}

const nouns: Readonly<Partial<Record<Item["kind"], readonly [string, string]>>> = {
  release: ["package", "packages"],
  git: ["git repository", "git repositories"],
  documentation: ["release's documentation", "releases' documentation"],
  installer: ["installer", "installers"],
  "installer-list": ["list of installers", "lists of installers"],
  file: ["file", "files"],
};

/** `30 packages and 2 git repositories` */
function countItems(items: readonly Item[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of items) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const parts = [...counts].map(([kind, count]) => {
    const [one, many] = nouns[kind as Item["kind"]] ?? ["thing", "things"];
    return `${count} ${count === 1 ? one : many}`;
  });
  const last = parts.pop() ?? "nothing";
  return parts.length === 0 ? last : `${parts.join(", ")} and ${last}`;
}

const again = "what arrived is kept; run the same command again to fetch the rest";
const network = "check the network and run the same command again to fetch the rest";
const advice: readonly [TroubleKind | ErrorCode, string][] = [
  ["storage", "make room, or the mirror's folder writable, and run it again; what arrived is kept"],
  ["trust", "nothing is fetched from a host that is not trusted: name its authority as said above, and run it again"],
  ["proxy", "set the proxy right as said above, and run it again"],
  ["page", "log in to the network where a portal wants that, and run it again"],
  ["silent", network],
  ["name", network],
  ["unreachable", network],
  ["deadline", "what arrived is kept; run it again to go on, with a longer --deadline or none"],
  ["busy", again],
  ["cut", again],
  ["slow", again],
  ["damaged", again],
  ["integrity", "what upstream sent is not what it should be, so it was not taken; what arrived is kept"],
  ["not_found", "upstream does not have it: see whether the lock is right, and run it again"],
  ["refused", "what is refused stays so until it is allowed as said above; what arrived is kept"],
  ["too_large", "what is too large is not taken; what arrived is kept"],
  ["git", "see what git says above; what arrived is kept, and the same command fetches the rest"],
  ["upstream", "see what upstream says above; what arrived is kept, and the same command fetches the rest"],
];
const ofNetwork: ReadonlySet<string | undefined> = new Set(["silent", "name", "unreachable"]);

/**
 * @param causes of the failures, each by the kind of its trouble or the code of its error
 * @param hasDeadline whether it was given time already
 */
export function adviceFor(causes: readonly (string | undefined)[], hasDeadline: boolean): string {
  const [cause, text] = advice.find(([each]) => causes.includes(each)) ?? [undefined, again];
  return ofNetwork.has(cause) && !hasDeadline ? `${text}, or give it time with --deadline 10m` : text;
}
