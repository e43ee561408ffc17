/** What the server shows to clients, whoever signed it. */
import { X509Certificate } from "node:crypto";
import { readText } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import { isPair, namesHost } from "./certificate-checks.ts";
import type { KeyAndCertificate } from "./certificates.ts";
import { certificatesIn, type Authority } from "./certs-files.ts";

export interface ServerIdentity extends KeyAndCertificate {
  /** What clients have to trust, PEM; undefined for a certificate that they trust as it is. */
  readonly caCertificate: string | undefined;
  /** Hosts that the certificate lacks, and cannot get. */
  readonly uncovered: readonly string[];
  readonly validTo: Date;
  /** Whether it is renewed by itself: the authority's key is here. */
  readonly isRenewable: boolean;
  /** What is wrong with the authority's files, and cannot be helped from here. */
  readonly warnings?: readonly string[];
}

export function identityOf(authority: Authority, pair: KeyAndCertificate, hosts: readonly string[]): ServerIdentity {
  const certificate = new X509Certificate(pair.cert);
  return {
    ...pair,
    caCertificate: authority.cert,
    uncovered: hosts.filter((host) => !namesHost(certificate, host)),
    validTo: new Date(certificate.validTo),
    isRenewable: authority.key !== undefined,
  };
}

/** A certificate of the user's own. @throws MirrorError `config` */
export async function readOwnIdentity(
  files: { readonly cert: string; readonly key: string; readonly ca: string | undefined },
  hosts: readonly string[],
): Promise<ServerIdentity> {
  const read = (file: string): Promise<string> =>
    readText(file).catch((cause: unknown) => {
      throw new MirrorError("config", `cannot read ${file}`, { cause });
    });
  const [cert, key] = [await read(files.cert), await read(files.key)];
  if (!isPair(cert, key)) {
    throw new MirrorError(
      "config",
      `--tls-cert, --tls-key: ${files.cert} and ${files.key} are no certificate and its key; give both as PEM`,
    );
  }
  const certificate = new X509Certificate(cert);
  return {
    cert,
    key,
    caCertificate: files.ca === undefined ? undefined : certificatesIn(await read(files.ca), files.ca),
    uncovered: hosts.filter((host) => !namesHost(certificate, host)),
    validTo: new Date(certificate.validTo),
    isRenewable: false,
  };
}
