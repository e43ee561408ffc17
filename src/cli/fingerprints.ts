/** What a mirror trusts, and is trusted by, for people to compare. */
import type { Fingerprints } from "../store/trust.ts";

export function fingerprintLines({ registry, ca, upstreams }: Fingerprints): string[] {
  return [
    ...Object.entries(upstreams).map(
      ([name, { url, key }]) => `trusts ${name} by the key ${key}${url === undefined ? "" : `, from ${url}`}`,
    ),
    ...(registry === undefined ? [] : [`signs its registry with the key ${registry}`]),
    ...(ca === undefined ? [] : [`shows certificates of the authority ${ca}`]),
  ];
}
