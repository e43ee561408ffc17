/** What a mirror trusts, and is trusted by, for people to compare: no line longer than 78, but for a fingerprint that is. */
import type { Fingerprints } from "../store/trust.ts";

export function fingerprintLines({ registry, ca, upstreams }: Fingerprints): string[] {
  return [
    ...Object.entries(upstreams).flatMap(([name, { url, key }]) => [
      `trusts ${name} by the key ${key}`,
      ...(url === undefined ? [] : [`  from ${url}`]),
    ]),
    ...(registry === undefined ? [] : [`signs its registry with ${registry}`]),
    ...(ca === undefined ? [] : ["shows certificates of the authority", `  ${ca}`]),
  ];
}
