/** What a Hex upstream serves, by URL path, signed by a key of its own. */
import { generatePrivateKey, publicKeyPem, readPrivateKey } from "../../src/hex/keys.ts";
import { wrap } from "../../src/hex/signed.ts";
import { readTarball } from "../../src/hex/tarball.ts";
import { buildRegistry } from "./registry.ts";
import type { MadeTarball } from "./tarballs.ts";

export interface HexFiles {
  readonly files: ReadonlyMap<string, Buffer>;
  /** PEM. */
  readonly publicKey: string;
  readonly privateKey: string;
}

/** @param privateKey PEM, to sign anew with the key of before */
export async function makeHexFiles(
  tarballs: readonly MadeTarball[],
  privateKey = generatePrivateKey(),
): Promise<HexFiles> {
  const key = readPrivateKey(privateKey, "the upstream's key");
  const files = new Map(tarballs.map(({ name, version, bytes }) => [`/tarballs/${name}-${version}.tar`, bytes]));
  const releases = tarballs.map(({ bytes }) => readTarball(bytes));
  const { resources } = buildRegistry({ repository: "hexpm", releases, upstream: new Map() });
  for (const [name, payload] of resources) files.set(`/${name}`, await wrap(payload, key));
  return { files, publicKey: publicKeyPem(key), privateKey };
}
