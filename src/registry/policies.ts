/** Dependency policies as our own face has them: signed by the mirror's key, whoever's they are. For the only writer. */
import type { KeyObject } from "node:crypto";
import { encodePolicy } from "../hex/policies.ts";
import { wrap } from "../hex/signed.ts";
import { signedName } from "../names/hex-repository.ts";
import { isPolicyName } from "../names/policy-names.ts";
import type { OwnPolicy } from "../policy-setting.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { verifyPolicy } from "../upstream/hex.ts";

/** @returns whether it was written: it says what it said before otherwise */
export async function signPolicy(
  registry: RegistryPaths,
  name: string,
  payload: Uint8Array,
  key: KeyObject,
): Promise<boolean> {
  const place = registry.policy(name);
  const before = await readPolicy(place, registry, name, [key]);
  if (before !== undefined && Buffer.from(before).equals(payload)) return false;
  await place.write(await wrap(payload, key));
  return true;
}

/** As the configuration has it. */
export async function signOwnPolicy(paths: StorePaths, policy: OwnPolicy, key: KeyObject): Promise<void> {
  await signPolicy(paths.registry(policy.repository), policy.name, encodePolicy(policy.text), key);
}

/** @returns whether it is there as the configuration has it */
export async function isOwnPolicySigned(
  paths: StorePaths,
  policy: OwnPolicy,
  publicKey: KeyObject | undefined,
): Promise<boolean> {
  const registry = paths.registry(policy.repository);
  const keys = publicKey === undefined ? [] : [publicKey];
  const payload = await readPolicy(registry.policy(policy.name), registry, policy.name, keys);
  return payload !== undefined && Buffer.from(payload).equals(encodePolicy(policy.text));
}

export interface PolicyKeys {
  readonly key: KeyObject;
  /** Keys whose signature tells that it was ours before. */
  readonly verifiers: readonly KeyObject[];
  /** @throws MirrorError where it cannot be had */
  readonly recordsKey: (repository: string) => Promise<KeyObject>;
}

/** After a change of keys: those that our key before, or upstream, signed. @returns their resources */
export async function signPoliciesAnew(
  registry: RegistryPaths,
  { key, verifiers, recordsKey }: PolicyKeys,
): Promise<string[]> {
  const written: string[] = [];
  for (const name of (await registry.policiesDir.list("file")).filter(isPolicyName)) {
    if ((await readPolicy(registry.policy(name), registry, name, [key])) !== undefined) continue;
    const upstream = registry.upstreamPolicy(name);
    const payload =
      (await readPolicy(registry.policy(name), registry, name, verifiers)) ??
      (upstream.isFile()
        ? await readPolicy(upstream, registry, name, [await recordsKey(registry.repository)])
        : undefined);
    // What nobody vouches for stays as it is, and verify tells of it.
    if (payload !== undefined && (await signPolicy(registry, name, payload, key))) written.push(`policies/${name}`);
  }
  return written;
}

/** The payload, where one of the keys signed it as that policy. */
async function readPolicy(
  place: ReturnType<RegistryPaths["policy"]>,
  { repository }: RegistryPaths,
  name: string,
  keys: readonly KeyObject[],
): Promise<Uint8Array | undefined> {
  const bytes = (await place.read()) ?? Buffer.alloc(0);
  for (const publicKey of keys) {
    try {
      return verifyPolicy(bytes, { repository: signedName(repository), publicKey }, name, place.path);
    } catch {
      // Another key's, or damaged.
    }
  }
  return undefined;
}
