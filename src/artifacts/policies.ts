/**
 * Dependency policies: those of organisations and other Hex repositories as upstream signed them and signed anew, and the one
 * that the configuration makes. Hex brings no package at all where the policy that it is held to cannot be had.
 */
import type { KeyObject } from "node:crypto";
import { isPolicyName } from "../names/policy-names.ts";
import type { Item } from "../names/item.ts";
import { lazy } from "../lazy.ts";
import { policyJobs, type PolicyJob, type PolicySettings } from "../plan/policies.ts";
import { listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import { publishedKey } from "../store/published-key.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import type { Artifact, Checked, Held } from "./artifact.ts";
import { removeAll } from "./remove.ts";

export interface PolicyTools {
  readonly settings: PolicySettings;
  /** The key of upstream's that is held. @throws MirrorError `config` */
  readonly recordsKey: (repository: string) => Promise<KeyObject>;
  /** The registry's. For the only writer. @throws MirrorError `config` */
  readonly signingKey: () => Promise<KeyObject>;
}

export function createPolicies(paths: StorePaths, tools: PolicyTools): Artifact<PolicyJob> {
  const registryKey = lazy(async () => publishedKey(paths).catch(() => undefined));
  const load = lazy(async () => import("./with-records.ts"));
  const damageIn = async (job: Pick<PolicyJob, "repository" | "name" | "own">) => {
    const { policyDamage } = await load();
    const recordsKey = async () => tools.recordsKey(job.repository);
    return policyDamage(paths.registry(job.repository), job, { registryKey: await registryKey(), recordsKey });
  };
  return {
    name: "policies",
    weight: 1,
    wanted: async ({ locks }) => ({ jobs: policyJobs(locks, tools.settings), refused: [] }),
    items: (job) => [
      { item: itemOf(job), keys: [paths.registry(job.repository).policy(job.name).path], locks: job.locks },
    ],
    has: async (job) => {
      const isThere = paths.registry(job.repository).policy(job.name).isFile();
      // One of ours is not there while it says what the configuration said before.
      const isHeld = isThere && (job.own === undefined || (await damageIn(job)) === undefined);
      return [{ item: itemOf(job), isHeld }];
    },
    bringing: async (_jobs, bringTools) => ({
      bring: async function* (job) {
        const { bringPolicy } = await load();
        yield await bringPolicy(paths, job, { ...bringTools, signingKey: tools.signingKey });
      },
      finish: async () => [],
    }),
    check: async function* (job): AsyncIterable<Checked> {
      const item = itemOf(job);
      const asking = job.locks[0] === undefined ? {} : { lock: job.locks[0] };
      if (!paths.registry(job.repository).policy(job.name).isFile()) {
        yield { item, problems: [{ state: "missing", reason: "it is not here", ...asking }] };
        return;
      }
      const reason = await damageIn(job);
      yield { item, problems: reason === undefined ? [] : [{ state: "damaged", reason, ...asking }] };
    },
    list: async () => (await Promise.all((await listRegistries(paths)).map(listHeld))).flat(),
    damageOf: async ({ item }) => (item.kind === "policy" ? damageIn({ ...item, own: undefined }) : undefined),
    remove: async (held) => removeAll(held, [paths.reposDir, paths.upstreamDir]),
  };
}

function itemOf({ repository, name }: Pick<PolicyJob, "repository" | "name">): Item {
  return { kind: "policy", repository, name };
}

async function listHeld(registry: RegistryPaths): Promise<Held[]> {
  const { repository, policiesDir, upstreamPoliciesDir } = registry;
  const names = [...(await policiesDir.list("file")), ...(await upstreamPoliciesDir.list("file"))].filter(isPolicyName);
  return [...new Set(names)].sort().map((name) => ({
    item: itemOf({ repository, name }),
    key: registry.policy(name).path,
    // What clients are given goes first.
    places: [registry.policy(name), registry.upstreamPolicy(name)].filter((place) => place.isFile()),
  }));
}
