/** A policy, from upstream or from the configuration, to its places: as upstream signed it, and as we sign it. */
import type { KeyObject } from "node:crypto";
import { MirrorError, describeError } from "../errors.ts";
import { encodePolicy } from "../hex/policies.ts";
import { signedName } from "../names/hex-repository.ts";
import type { Item } from "../names/item.ts";
import type { PolicyJob } from "../plan/policies.ts";
import { signPolicy } from "../registry/policies.ts";
import { transferOf, type Outcome } from "../reporter.ts";
import { isLocal } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { fetchPolicy, verifyPolicy } from "../upstream/hex.ts";
import type { BringTools } from "./artifact.ts";

type Tools = Pick<BringTools, "http" | "hex" | "land" | "reporter" | "signal"> & {
  readonly signingKey: () => Promise<KeyObject>;
};

/** Whatever goes wrong is in the outcome. */
export async function bringPolicy(paths: StorePaths, job: PolicyJob, tools: Tools): Promise<Outcome> {
  const { repository, name, own } = job;
  const item: Item = { kind: "policy", repository, name };
  const registry = paths.registry(repository);
  const wasHere = registry.policy(name).isFile();
  try {
    if (own !== undefined) {
      const hasChanged = await landPolicy(registry, name, { payload: encodePolicy(own) }, tools);
      return { item, outcome: hasChanged ? (wasHere ? "updated" : "added") : "unchanged", bytes: 0 };
    }
    if (isLocal(paths, repository)) {
      if (wasHere) return { item, outcome: "unchanged", bytes: 0 };
      throw new MirrorError(
        "not_found",
        `${repository} is this mirror's own, and no "policy" in the configuration says it`,
      );
    }
    const { upstream, onVerified } = await tools.hex.open(repository);
    const bytes = await fetchPolicy(tools.http, upstream, name, transferOf(tools));
    const payload = verifyPolicy(bytes, upstream, name, registry.upstreamPolicy(name).path);
    const hasChanged = await landPolicy(registry, name, { payload, upstream: bytes, onVerified }, tools);
    if (hasChanged && wasHere) tools.reporter.note("says something else than before", item);
    return { item, outcome: hasChanged ? (wasHere ? "updated" : "added") : "unchanged", bytes: bytes.length };
  } catch (error) {
    return { item, error };
  }
}

interface Landed {
  readonly payload: Uint8Array;
  /** As upstream signed it; absent: it is our own. */
  readonly upstream?: Buffer;
  readonly onVerified?: () => Promise<void>;
}

/** @returns whether it says something else than before */
async function landPolicy(
  registry: RegistryPaths,
  name: string,
  { payload, upstream, onVerified }: Landed,
  { land, signingKey }: Pick<Tools, "land" | "signingKey">,
): Promise<boolean> {
  return land(async () => {
    await onVerified?.();
    if (upstream !== undefined) await registry.upstreamPolicy(name).writeIfChanged(upstream);
    return signPolicy(registry, name, payload, await signingKey());
  });
}

interface Keys {
  /** Of our registry; undefined: none that can be read. */
  readonly registryKey: KeyObject | undefined;
  readonly recordsKey: () => Promise<KeyObject>;
}

/** Why what is held is not what it should be; undefined: it is. @throws MirrorError `storage` for what cannot be read now */
export async function policyDamage(
  registry: RegistryPaths,
  { name, own }: Pick<PolicyJob, "name" | "own">,
  { registryKey, recordsKey }: Keys,
): Promise<string | undefined> {
  const repository = signedName(registry.repository);
  const [signed, upstream] = [registry.policy(name), registry.upstreamPolicy(name)];
  if (registryKey === undefined) return "the registry has no public_key that can be read";
  const bytes = await signed.read();
  const upstreams = await upstream.read();
  try {
    const ours = { repository, publicKey: registryKey };
    const payload = Buffer.from(verifyPolicy(bytes ?? Buffer.alloc(0), ours, name, signed.path));
    if (own !== undefined)
      return payload.equals(encodePolicy(own)) ? undefined : "it says what the configuration said before";
    if (upstreams === undefined) return undefined;
    const theirs = { repository, publicKey: await recordsKey() };
    const isSame = payload.equals(verifyPolicy(upstreams, theirs, name, upstream.path));
    return isSame ? undefined : "it does not say what upstream's says";
  } catch (error) {
    return describeError(error);
  }
}
