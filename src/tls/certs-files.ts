/** The files of the certs folder. */
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import { readIfPresent, writeAtomic, writeIfChanged } from "../store/atomic.ts";
import { isPair } from "./certificate-checks.ts";
import type { KeyAndCertificate } from "./certificates.ts";

export interface Authority {
  readonly cert: string;
  /** undefined: forgotten. */
  readonly key: string | undefined;
}

/** A folder that containers can be given whole: the authority's certificate, and no key. */
export async function publish(certsDir: string, authority: string): Promise<void> {
  try {
    await writeIfChanged(join(certsDir, "public", "ca.pem"), authority);
  } catch (error) {
    // Such as a folder that an engine made for its mount, as root: it is served at /ca.pem all the same.
    if (!(error instanceof MirrorError) || error.code !== "storage") throw error;
  }
}

/** @param isDoomed whether it will be replaced, so that what is wrong with it does not matter */
export async function readAuthority(certsDir: string, isDoomed = false): Promise<Authority | undefined> {
  const cert = (await readIfPresent(join(certsDir, "ca.pem")))?.toString("utf8");
  const key = (await readIfPresent(join(certsDir, "ca.key")))?.toString("utf8");
  if (cert === undefined && key !== undefined && !isDoomed) {
    throw new MirrorError("config", `${join(certsDir, "ca.pem")} is missing; put it back, or delete ca.key too`);
  }
  if (cert === undefined) return undefined;
  if (key !== undefined && !isDoomed && !isPair(cert, key)) {
    throw new MirrorError(
      "config",
      `ca.key in ${certsDir} is not the key of ca.pem there; run "mirror-server certs renew --new-ca"`,
    );
  }
  return { cert, key };
}

export async function readPair(certsDir: string, name: string): Promise<KeyAndCertificate | undefined> {
  const cert = await readIfPresent(join(certsDir, `${name}.pem`));
  const key = await readIfPresent(join(certsDir, `${name}.key`));
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    const missing = cert === undefined ? `${name}.pem` : `${name}.key`;
    throw new MirrorError("config", `${join(certsDir, missing)} is missing; put it back, or delete its other half too`);
  }
  return { cert: cert.toString("utf8"), key: key.toString("utf8") };
}

export async function writePair(certsDir: string, name: string, pair: KeyAndCertificate): Promise<void> {
  await writeAtomic(join(certsDir, `${name}.key`), pair.key, 0o600);
  await writeAtomic(join(certsDir, `${name}.pem`), pair.cert);
}
