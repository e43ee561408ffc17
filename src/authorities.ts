/**
 * Whose certificates are trusted besides those that everybody trusts. Each client has a variable of its own for a company's
 * authority; who has set one of them means all of what we do: HTTP and git alike.
 */
import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { resolve } from "node:path";
import { describeError } from "./errors.ts";

export const authorityVariables = [
  "HEX_CACERTS_PATH",
  "SSL_CERT_FILE",
  "GIT_SSL_CAINFO",
  "NODE_EXTRA_CA_CERTS",
] as const;

export interface AuthorityFile {
  readonly variable: (typeof authorityVariables)[number];
  /** Absolute. */
  readonly path: string;
}

/** @param cwd that relative paths count from */
export function authorityFiles(
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
): readonly AuthorityFile[] {
  return authorityVariables.flatMap((variable) => {
    const path = environment[variable];
    return path === undefined || path === "" ? [] : [{ variable, path: resolve(cwd, path) }];
  });
}

/** @param onUnread told of a file that counts for nothing @returns PEM texts; undefined: nothing besides the usual */
export function readAuthorities(
  files: readonly AuthorityFile[],
  onUnread: (why: string) => void,
): readonly string[] | undefined {
  const read = files.flatMap(({ variable, path }) => {
    try {
      return [readFileSync(path, "latin1")];
    } catch (error) {
      onUnread(`${variable} names a file that cannot be read, and counts for nothing: ${describeError(error)}`);
      return [];
    }
  });
  return read.length === 0 ? undefined : [...rootCertificates, ...read];
}
