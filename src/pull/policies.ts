/**
 * Dependency policies that clients ask for: brought into the mirror as `sync` brings them, or, where nothing can be kept, as
 * upstream signed them. Of organisations anybody may be asked for those that are public; Hex brings no package without.
 */
import type { HexSources } from "../artifacts/hex-sources.ts";
import type { Artifact } from "../artifacts/artifact.ts";
import { hexpm, ownRepository } from "../names/hex-repository.ts";
import { isPolicyName } from "../names/policy-names.ts";
import type { PolicyJob } from "../plan/policies.ts";
import { transferOf } from "../reporter.ts";
import { held, type Located } from "../serve/source.ts";
import { isLocal } from "../store/inventory.ts";
import { fetchPolicy } from "../upstream/hex.ts";
import type { Bringer } from "./bringer.ts";
import { currentOf, lookedUpBy, type CurrentTools } from "./current.ts";
import { requireBrought } from "./releases.ts";

export interface PoliciesPullTools extends CurrentTools {
  readonly bringer: Bringer;
  readonly policies: Artifact<PolicyJob>;
  /** Seconds. */
  readonly maxAge: number;
  /** Hex repositories besides hexpm's organisations that the settings name. */
  readonly others: readonly string[];
  /** What that repository is asked by. */
  readonly sourcesOf: (repository: string) => HexSources;
}

export interface AskedPolicy {
  /** As it is served: `acme` */
  readonly served: string;
  readonly name: string;
  /** Ours, signed by the mirror; or upstream's. */
  readonly face: "own" | "upstream";
}

// Of whatever names clients come with, each takes memory.
const maxAsked = 200;

/** `/repos/acme/policies/strict`; undefined for any other path. */
export function policyAsked(path: string): Omit<AskedPolicy, "face"> | undefined {
  const [, served = "", name = ""] = /^\/repos\/([a-z0-9][a-z0-9_-]*)\/policies\/([^/]+)$/.exec(path) ?? [];
  return served !== "" && isPolicyName(name) ? { served, name } : undefined;
}

export function createPoliciesPull(tools: PoliciesPullTools): (asked: AskedPolicy) => Promise<Located | undefined> {
  const { bringer, policies, maxAge, others, sourcesOf } = tools;
  const { paths } = bringer;
  const asked = new Set<string>();
  return async ({ served, name, face }) => {
    const repository = others.includes(served) || isLocal(paths, served) ? served : `${hexpm}:${served}`;
    const registry = paths.registry(repository);
    const place = face === "own" ? registry.policy(name) : registry.upstreamPolicy(name);
    // Whoever is called like it at hex.pm has no say in what is the mirror's own.
    if (repository === `${hexpm}:${ownRepository}` && !registry.upstreamDir.isFolder()) return held(place);
    const isKnown = asked.has(repository) || registry.upstreamDir.isFolder();
    if (isLocal(paths, repository) || (!isKnown && asked.size >= maxAsked)) return held(place);
    asked.add(repository);
    const sources = sourcesOf(repository);
    const { upstream } = await sources.open(repository);
    const host = new URL(upstream.url).host;
    const key = `policy ${repository}/${name}`;
    if (!bringer.keeps) {
      if (place.isFile() || face === "own") return held(place);
      const work = async () => fetchPolicy(bringer.http, upstream, name, transferOf(bringer));
      const bytes = await tools.asking.bring({ key, host, work });
      return { mark: "passed", content: { bytes }, since: Date.now(), until: 0 };
    }
    const job = { repository, name, locks: [], own: undefined };
    const current = await currentOf(
      {
        key,
        host,
        maxAge,
        held: async () => (place.isFile() ? place : undefined),
        refresh: async () => {
          const bringing = await policies.bringing([job], { ...bringer, hex: sources });
          for await (const outcome of bringing.bring(job)) requireBrought(outcome);
          return place;
        },
        onRefused: (why) =>
          bringer.reporter.warn(`is served as it is held: ${why}`, { kind: "policy", repository, name }),
      },
      tools,
    );
    const { mark, since } = current;
    return { mark, content: { place }, since, until: lookedUpBy(current, maxAge) };
  };
}
