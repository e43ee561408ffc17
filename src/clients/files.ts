/** The files that go with the variables: Hex's and rebar3's configuration, and a bundle of authorities. */
import { chmod, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { isFolder } from "../files.ts";
import { readIfPresent, writeIfChanged } from "../store/atomic.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ClientFilesInput {
  /** Where to put them; made. */
  readonly dir: string;
  /** The key that the mirror signs with, PEM. */
  readonly publicKey: string;
  /** Organisations and other repositories that the mirror has. */
  readonly repositories: readonly string[];
  /** The authority of the mirror's certificate, a PEM file; undefined: none. */
  readonly ca: string | undefined;
  /** The folder in which the user's own Hex keeps tarballs. */
  readonly hexPackages: string;
  readonly environment: Environment;
}

export interface ClientFiles {
  readonly hexHome: string;
  readonly rebarHome: string;
  readonly caBundle: string | undefined;
}

export async function writeClientFiles(input: ClientFilesInput): Promise<ClientFiles> {
  const { dir, publicKey, ca, hexPackages, environment } = input;
  const hexHome = join(dir, "hex");
  const rebarHome = join(dir, "rebar3");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeIfChanged(join(hexHome, "hex.config"), hexConfig(publicKey));
  // For the owner only: the user's own, which is in it, may hold keys.
  const rebarFile = join(rebarHome, ".config/rebar3/rebar.config");
  await writeIfChanged(rebarFile, await rebarConfig(input), 0o600);
  await chmod(rebarFile, 0o600);
  // Tarballs that Hex has fetched before are of use here too: it checks each against the record.
  if (await isFolder(hexPackages)) await symlink(hexPackages, join(hexHome, "packages")).catch(() => undefined);
  await mkdir(join(rebarHome, "cache"), { recursive: true });
  return { hexHome, rebarHome, caBundle: ca === undefined ? undefined : await writeBundle(dir, ca, environment) };
}

/** One term: the key of hexpm, and of the organisations, which inherit it. */
function hexConfig(publicKey: string): string {
  return `{'$repos',#{<<"hexpm">> => #{url => <<"https://repo.hex.pm">>,public_key => ${binary(publicKey)}}}}.\n`;
}

/**
 * The URL comes by HEX_CDN, which rebar3 prefers. What the user has set for all projects stays, but for `hex`: of what
 * stands twice, the last one counts.
 */
async function rebarConfig({ publicKey, repositories, environment }: ClientFilesInput): Promise<string> {
  const base = environment["REBAR_GLOBAL_CONFIG_DIR"] ?? environment["HOME"] ?? "";
  const own = (await readIfPresent(join(base, ".config/rebar3/rebar.config")))?.toString("utf8") ?? "";
  const hexpm = `#{name => <<"hexpm">>, repo_public_key => ${binary(publicKey)}, repo_verify => true, repo_verify_origin => true}`;
  const organisations = repositories
    .filter((name) => name.startsWith("hexpm:"))
    .map((name) => `#{name => ${binary(name)}}`);
  // Our own file, when this runs within an environment that was made by it.
  const isOurs = own.startsWith(marker);
  const repos = [hexpm, ...organisations].join(", ");
  return `${marker}\n${isOurs ? "" : `${own.trimEnd()}\n`}{hex, [{repos, [${repos}]}]}.\n`;
}

const marker = "%% Written by mirror-server.";

function binary(text: string): string {
  return `<<"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}">>`;
}

const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Clients replace their authorities by what they are given, so that all of them have to be in one file. */
async function writeBundle(dir: string, ca: string, environment: Environment): Promise<string> {
  const file = join(dir, "ca-bundle.pem");
  const given = ["GIT_SSL_CAINFO", "HEX_CACERTS_PATH", "CURL_CA_BUNDLE", "SSL_CERT_FILE"].map(
    (name) => environment[name],
  );
  const others = [...given, ...systemBundles].filter((path) => path !== undefined && path !== file);
  let found: Buffer | undefined;
  for (const path of others) found ??= await readFile(path ?? "").catch(() => undefined);
  const authorities = found?.toString("utf8") ?? `${rootCertificates.join("\n")}\n`;
  await writeIfChanged(file, `${authorities.trimEnd()}\n${await readFile(ca, "utf8")}`);
  return file;
}
