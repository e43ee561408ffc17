/**
 * What clients asked for and could not be given, for who started them: `exec` tells it in a line at its end. Kept in memory,
 * for as long as it may be asked for; of each thing the last time counts.
 */
import { LRUCache } from "lru-cache";
import type { MirrorError } from "../errors.ts";
import type { Item } from "../names/item.ts";
import { normalisePath } from "../names/git-url.ts";
import { hexpm } from "../names/hex-repository.ts";
import { hexHosts } from "../names/known-hosts.ts";
import { parseDocsName, parseTarballName } from "../store/registry-paths.ts";
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
// What is not there, and what could not be asked for; not what was refused, or came and was wrong.
const counted = new Set(["not_found", "away", "upstream"]);

export class Lacking {
  private readonly asked = new LRUCache<string, Lack & { readonly at: number }>({ max: most });

  note(target: Target | undefined, { code, message }: Pick<MirrorError, "code" | "message">): void {
    if (target === undefined || !counted.has(code)) return;
    const path = target.kind === "git" ? (normalisePath(target.repository) ?? "") : target.path;
    const host = target.kind === "own" || target.kind === "upstream" ? "" : target.host;
    const lack = { kind: target.kind, host, path, code, reason: message };
    this.asked.set(`${lack.kind} ${host}${path}`, { ...lack, at: Date.now() });
  }

  /** @param time milliseconds since 1970 @returns in the order in which they were asked for */
  since(time: number): Lack[] {
    const found = [...this.asked.values()].filter(({ at }) => at >= time).sort((a, b) => a.at - b.at);
    return found.map(({ kind, host, path, code, reason }) => ({ kind, host, path, code, reason }));
  }
}

/** What was asked for; undefined for what is no part of any mirror, such as a list of all packages. Pure. */
export function itemOf({ kind, host, path }: Pick<Lack, "kind" | "host" | "path">): Item | undefined {
  if (kind === "git") return { kind: "git", host, path };
  if (kind === "file" || kind === "unknown") {
    return host === "" || hexHosts.has(host) ? undefined : { kind: "file", url: `https://${host}${path}` };
  }
  const [, organisation, room = "", name = ""] = /^(?:\/repos\/([^/]+))?\/([a-z]+)\/(.+)$/.exec(path) ?? [];
  const repository = organisation === undefined || organisation === hexpm ? hexpm : `${hexpm}:${organisation}`;
  switch (room) {
    case "packages":
      return { kind: "package", repository, name };
    case "policies":
      return { kind: "policy", repository, name };
    case "tarballs": {
      const release = parseTarballName(name);
      return release === undefined ? undefined : { kind: "release", repository, ...release };
    }
    case "docs": {
      const release = parseDocsName(name);
      return release === undefined ? undefined : { kind: "documentation", repository, ...release };
    }
    case "installs":
      return { kind: "installer", path: name };
    default:
      return undefined;
  }
}
