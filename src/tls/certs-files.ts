/** The files of the certs folder. */
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import { isFile } from "../files.ts";
import { readIfPresent, writeIfChanged, writeTogether } from "../store/atomic.ts";
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
  // A key alone is what a first start leaves that was killed: nobody trusts it yet, so it is made anew.
  const wasUsed = key !== undefined && (await isFile(join(certsDir, "server.pem")));
  if (cert === undefined && wasUsed && !isDoomed) {
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

/** undefined, too, for half of one, such as a killed start leaves: it is made anew. */
export async function readPair(certsDir: string, name: string): Promise<KeyAndCertificate | undefined> {
  const cert = (await readIfPresent(join(certsDir, `${name}.pem`)))?.toString("utf8");
  const key = (await readIfPresent(join(certsDir, `${name}.key`)))?.toString("utf8");
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

export async function writePair(certsDir: string, name: string, { cert, key }: KeyAndCertificate): Promise<void> {
  await writeTogether([
    { path: join(certsDir, `${name}.key`), content: key, mode: 0o600 },
    { path: join(certsDir, `${name}.pem`), content: cert },
  ]);
}
