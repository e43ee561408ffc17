/**
 * The authorities that git trusts, where other clients' variables name some: git knows one file only, so what it would trust
 * by itself and what these name are put into one. Where none of them is set, git is left as it is.
 */
import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { authorityFiles } from "../authorities.ts";
import { tryGit, type Surroundings } from "./run.ts";

// Where the systems keep what is trusted by all; git was built to read one of them.
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** @returns PEM; undefined: as git has it */
export async function gitAuthorities(
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
  upstream: Surroundings,
): Promise<string | undefined> {
  const named = authorityFiles(environment, cwd);
  if (named.every(({ variable }) => variable === "GIT_SSL_CAINFO")) return undefined;
  const extra = named.map(({ path }) => readQuietly(path)).filter((text) => text !== undefined);
  if (extra.length === 0) return undefined;
  const usual =
    (await configuredAuthorities(upstream)) ??
    bundles.map(readQuietly).find((text) => text !== undefined) ??
    rootCertificates.join("\n");
  return [usual, ...extra].join("\n");
}

/** Those that the user's settings name, PEM. */
export async function configuredAuthorities(upstream: Surroundings): Promise<string | undefined> {
  const { code, stdout } = await tryGit(["config", "--type=path", "--get", "http.sslCAInfo"], upstream);
  return code === 0 ? readQuietly(stdout.toString("utf8").trim()) : undefined;
}

function readQuietly(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
