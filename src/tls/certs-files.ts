/** The files of the certs folder. They may be links to be read, as Kubernetes mounts them; none is written through one. */
import { isFile, readIfPresent } from "../disk/files.ts";
import { Place, writeTogether } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { isPair } from "./certificate-checks.ts";
import type { KeyAndCertificate } from "./certificates.ts";

export interface Authority {
  readonly cert: string;
  /** undefined: forgotten. */
  readonly key: string | undefined;
}

export function certsPlace(dir: string): Place {
  const isOne = (folder: string) => ["ca.pem", "server.pem"].some((name) => isFile(`${folder}/${name}`));
  return Place.root({ dir, option: "--certs-dir", noun: "a folder of certificates", isOne });
}

/** A folder that containers can be given whole: the authority's certificate, and no key. */
export async function publish(certs: Place, authority: string): Promise<void> {
  try {
    await certs.at("public/ca.pem").writeIfChanged(authority);
  } catch (error) {
    // Such as a folder that an engine made for its mount, as root: it is served at /ca.pem all the same.
    if (!(error instanceof MirrorError) || error.code !== "storage") throw error;
  }
}

/** @param isDoomed whether it will be replaced, so that what is wrong with it does not matter */
export async function readAuthority(certs: Place, isDoomed = false): Promise<Authority | undefined> {
  const text = (await readIfPresent(certs.at("ca.pem").path))?.toString("utf8");
  // What is handed out is read first: somebody may keep the key in the same file.
  const cert = text === undefined ? undefined : certificatesIn(text, certs.at("ca.pem").path);
  const key = (await readIfPresent(certs.at("ca.key").path))?.toString("utf8");
  // A key alone is what a first start leaves that was killed: nobody trusts it yet, so it is made anew.
  const wasUsed = key !== undefined && isFile(certs.at("server.pem").path);
  if (cert === undefined && wasUsed && !isDoomed) {
    throw new MirrorError("config", `${certs.at("ca.pem").path} is missing; put it back, or delete ca.key too`);
  }
  if (cert === undefined) return undefined;
  if (key !== undefined && !isDoomed && !isPair(cert, key)) {
    throw new MirrorError(
      "config",
      `ca.key in ${certs.path} is not the key of ca.pem there; run "mirror-server certs renew --new-ca"`,
    );
  }
  return { cert, key };
}

/** The certificates of a PEM file, without a key that stands beside them. @throws MirrorError `config` for a key alone */
export function certificatesIn(text: string, where: string): string {
  if (!/-----BEGIN (?!CERTIFICATE-----)/.test(text)) return text;
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (found === null) throw new MirrorError("config", `${where} holds no certificate in PEM format`);
  return `${found.join("\n")}\n`;
}

/** undefined, too, for half of one, such as a killed start leaves: it is made anew. */
export async function readPair(certs: Place, name: string): Promise<KeyAndCertificate | undefined> {
  const cert = (await readIfPresent(certs.at(`${name}.pem`).path))?.toString("utf8");
  const key = (await readIfPresent(certs.at(`${name}.key`).path))?.toString("utf8");
  return cert === undefined || key === undefined || !isPair(cert, key) ? undefined : { cert, key };
}

export async function writePair(certs: Place, name: string, { cert, key }: KeyAndCertificate): Promise<void> {
  await writeTogether([
    { place: certs.at(`${name}.key`), content: key, mode: 0o600 },
    { place: certs.at(`${name}.pem`), content: cert },
  ]);
}
