/**
 * The key that signs the registry. Clients pin its public half, so it changes only when someone says so: a registry
 * that was signed with another key is refused, not re-signed.
 */
import type { KeyObject } from "node:crypto";
import { readIfPresent } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import { generatePrivateKey, publicKeyPem, readPrivateKey, readPublicKey } from "../hex/keys.ts";
import { hexpm } from "../names/hex-repository.ts";
import { isSignedBy } from "../hex/signed.ts";
import type { StorePaths } from "./paths.ts";
import { readSigned } from "./signed-files.ts";

/** Makes the key on first use. @param newKey sign with the key here although clients know another */
export async function loadSigningKey(paths: StorePaths, newKey: boolean): Promise<KeyObject> {
  const { publicKey } = paths.registry(hexpm);
  const keyFile = paths.privateKey.path;
  const pem = await readIfPresent(keyFile);
  const published = await publicKey.read();
  const signed = published === undefined ? await readSigned(paths.registry(hexpm).resource("names")) : undefined;
  if (pem === undefined) {
    const isSigned = published !== undefined || signed !== undefined;
    if (isSigned && !newKey) throw foreignKey(paths, `${keyFile} is not there`);
    const made = generatePrivateKey();
    await paths.privateKey.write(made, 0o600);
    return readPrivateKey(made, keyFile);
  }
  const key = readPrivateKey(pem.toString("utf8"), `--private-key: ${keyFile}`);
  if (published !== undefined && !newKey) {
    if (publicKeyPem(readPublicKey(published.toString("utf8"), publicKey.path)) !== publicKeyPem(key)) {
      throw foreignKey(paths, `${keyFile} is another key`);
    }
  }
  // Without a public_key, what was signed tells by whom.
  if (signed !== undefined && !newKey && !isSignedBy(signed, key)) {
    throw foreignKey(paths, `${keyFile} is another key`);
  }
  return key;
}

function foreignKey(paths: StorePaths, why: string): MirrorError {
  return new MirrorError(
    "config",
    `the registry in ${paths.hex.path} was signed with a key that is not here (${why}). Give that key with ` +
      `--private-key FILE, or sign with a new one with --new-key: then every client needs the new public_key`,
  );
}
