/** The files that go with the variables: Hex's and rebar3's configuration, and a bundle of authorities. */
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { isFolder, readIfPresent, readText } from "../disk/files.ts";
import type { Place } from "../disk/place.ts";
import { certificatesIn } from "../tls/certs-files.ts";
import { hexpm, signedName, sourceOf } from "../names/hex-repository.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface ClientFilesInput {
  /** Where to put them; made. */
  readonly folder: Place;
  /** Where the mirror is reached, without a slash at the end. */
  readonly url: string;
  /** The key that the mirror signs with, PEM. */
  readonly publicKey: string;
  /** Organisations and other repositories that the mirror has. */
  readonly repositories: readonly string[];
  /** What a mirror that is guarded wants to be sent; undefined: it is not. */
  readonly token: string | undefined;
  /** The authority of the mirror's certificate, a PEM file; undefined: none. */
  readonly ca: string | undefined;
  /** The folder in which the user's own Hex keeps tarballs. */
  readonly hexPackages: string;
  /** As the user has it, without what points at a mirror. */
  readonly environment: Environment;
}

export interface ClientFiles {
  readonly hexHome: string;
  readonly rebarHome: string;
  /** The authorities that the user's clients trust, and the mirror's. */
  readonly caBundle: string | undefined;
  /** The same for Node, which adds them to its own. */
  readonly ca: string | undefined;
  /** What git sends to a mirror that is guarded, as `git credential-store` has it. */
  readonly gitCredentials: string | undefined;
}

/** Whether the files have to hold the mirror's URL: only hexpm's can come by the environment. */
export function dependOnUrl({ repositories, token }: Pick<ClientFilesInput, "repositories" | "token">): boolean {
  return token !== undefined || repositories.some((name) => !isPublic(name) && !isOrganisation(name));
}

export async function writeClientFiles(input: ClientFilesInput): Promise<ClientFiles> {
  const { folder, ca, hexPackages, environment } = input;
  folder.makeFolder(0o700);
  // For the owner only: they may hold the mirror's token, and what the user's own rebar.config holds.
  await writePrivate(folder.at("hex/hex.config"), hexConfig(input));
  await writePrivate(folder.at("rebar3/.config/rebar3/rebar.config"), await rebarConfig(input));
  const hexHome = folder.at("hex").verifiedPath();
  const rebarHome = folder.at("rebar3").verifiedPath();
  // Tarballs that Hex has fetched before are of use here too: it checks each against the record.
  if (isFolder(hexPackages))
    await folder
      .at("hex/packages")
      .linkTo(hexPackages)
      .catch(() => undefined);
  folder.at("rebar3/cache").makeFolder();
  const gitCredentials = await writeCredentials(folder.at("git-credentials"), input);
  if (ca === undefined) return { hexHome, rebarHome, caBundle: undefined, ca, gitCredentials };
  return {
    hexHome,
    rebarHome,
    gitCredentials,
    caBundle: await writeBundle(folder.at("ca-bundle.pem"), ca, await clientAuthorities(environment)),
    ca: await writeBundle(folder.at("ca-node.pem"), ca, await readGiven([environment["NODE_EXTRA_CA_CERTS"]])),
  };
}

/** @returns its path */
async function writeCredentials(file: Place, { url, token }: ClientFilesInput): Promise<string | undefined> {
  if (token === undefined) return undefined;
  const login = new URL(url);
  login.username = "mirror-server";
  login.password = encodeURIComponent(token);
  await writePrivate(file, `${login.href}\n`);
  return file.verifiedPath();
}

async function writePrivate(file: Place, text: string): Promise<void> {
  await file.writeIfChanged(text, 0o600);
  await file.setMode(0o600);
}

function isPublic(repository: string): boolean {
  return repository === hexpm;
}

function isOrganisation(repository: string): boolean {
  return sourceOf(repository) === hexpm && !isPublic(repository);
}

/**
 * One term. Organisations have key and URL from hexpm; where they need a token, Hex asks the URL that stands here, and
 * no longer that of the environment. Of another repository Hex wants all fields.
 */
function hexConfig(input: ClientFilesInput): string {
  const { url, publicKey, repositories, token } = input;
  const key = `public_key => ${binary(publicKey)}`;
  const secret = `auth_key => ${token === undefined ? "nil" : binary(token)},oauth_exchange => false`;
  const entries = repositories.flatMap((name) => {
    if (isPublic(name) || (isOrganisation(name) && token === undefined)) return [];
    if (isOrganisation(name)) return [`${binary(name)} => #{${secret},auth_key_owner => organization}`];
    return [`${binary(name)} => #{url => ${binary(`${url}/repos/${signedName(name)}`)},${key},${secret}}`];
  });
  const hexpmUrl = dependOnUrl(input) ? url : "https://repo.hex.pm";
  const hexpmSecret = token === undefined ? "" : `,${secret}`;
  return `{'$repos',#{${[`<<"hexpm">> => #{url => ${binary(hexpmUrl)},${key}${hexpmSecret}}`, ...entries].join(",")}}}.\n`;
}

/**
 * The URL of hexpm comes by HEX_CDN, which rebar3 prefers. What the user has set for all projects stays, but for `hex`:
 * of what stands twice, the last one counts.
 */
async function rebarConfig({ url, publicKey, repositories, token, environment }: ClientFilesInput): Promise<string> {
  const base = environment["REBAR_GLOBAL_CONFIG_DIR"] ?? environment["HOME"] ?? "";
  const own = (await readIfPresent(join(base, ".config/rebar3/rebar.config")))?.toString("utf8") ?? "";
  const key = `repo_public_key => ${binary(publicKey)}, repo_verify => true, repo_verify_origin => true`;
  const secret = token === undefined ? "" : `, repo_key => ${binary(token)}`;
  const entryOf = (name: string) => {
    if (isPublic(name)) return `#{name => <<"hexpm">>, ${key}${secret}}`;
    if (isOrganisation(name)) return `#{name => ${binary(name)}${secret}}`;
    return `#{name => ${binary(name)}, repo_url => ${binary(`${url}/repos/${signedName(name)}`)}, ${key}${secret}}`;
  };
  const repos = [hexpm, ...repositories.filter((name) => !isPublic(name))].map(entryOf).join(", ");
  return `%% Written by mirror-server.\n${own.trimEnd()}\n{hex, [{repos, [${repos}]}]}.\n`;
}

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
async function clientAuthorities(environment: Environment): Promise<string> {
  const given = ["GIT_SSL_CAINFO", "HEX_CACERTS_PATH", "CURL_CA_BUNDLE", "SSL_CERT_FILE"];
  const found = await readGiven([...given.map((name) => environment[name]), ...systemBundles]);
  return found === "" ? `${rootCertificates.join("\n")}\n` : found;
}

/** The first of the files that can be read; empty when none can. */
async function readGiven(files: readonly (string | undefined)[]): Promise<string> {
  for (const file of files) {
    const text = file === undefined ? "" : await readText(file).catch(() => "");
    if (text !== "") return text;
  }
  return "";
}

/** @returns its path */
async function writeBundle(file: Place, ca: string, authorities: string): Promise<string> {
  const ours = certificatesIn(await readText(ca), ca);
  await file.writeIfChanged(authorities === "" ? ours : `${authorities.trimEnd()}\n${ours}`);
  return file.path;
}
