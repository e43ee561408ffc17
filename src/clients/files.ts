/** The files that go with the variables: what git reads first, Hex's and rebar3's configuration, and a bundle of authorities. */
import { rootCertificates } from "node:tls";
import { isFolder, readText } from "../disk/files.ts";
import type { Place } from "../disk/place.ts";
import { certificatesIn } from "../tls/certs-files.ts";
import { gitAuthorityFiles, systemConfig, type GitSetting } from "./git-rules.ts";
import type { UsersGit } from "../git/users-settings.ts";
import { hexConfig, type HexTerms } from "./hex-file.ts";
import { netrcFile, type NetrcEntry } from "./netrc-file.ts";
import { rebarConfig, type RebarTerms } from "./rebar-file.ts";
import { isUrlInHexFile, type RepositorySetup } from "./repository-setup.ts";

type Environment = Readonly<Record<string, string | undefined>>;

interface ClientFilesInput extends RepositorySetup {
  /** For what holds for the mirror wherever it is reached; made. */
  readonly shared: Place;
  /** For what holds for this URL only; made. */
  readonly ofUrl: Place;
  /** The authority of the mirror's certificate, a PEM file; undefined: none. */
  readonly ca: string | undefined;
  /** Where the user's own Hex keeps tarballs and documentation. */
  readonly hexPackages: string;
  readonly hexDocs: string;
  readonly hexTerms: HexTerms;
  readonly rebarTerms: RebarTerms;
  readonly netrc: readonly NetrcEntry[];
  readonly gitRules: readonly GitSetting[];
  readonly usersGit: UsersGit;
  /** As the user has it, without what points at a mirror. */
  readonly environment: Environment;
}

export interface ClientFiles {
  readonly hexHome: string;
  readonly rebarHome: string;
  readonly rebarCache: string;
  readonly gitSystem: string;
  /** A folder in which curl finds a configuration that says nothing; wget one beside. */
  readonly quietHome: string;
  /** The authorities that the user's clients trust, and the mirror's. */
  readonly caBundle: string | undefined;
  /** The same for Node, which adds them to its own. */
  readonly ca: string | undefined;
  /** What Hex sends to a mirror that is guarded; undefined: nothing. */
  readonly netrc: string | undefined;
  /** What git sends to a mirror that is guarded, as `git credential-store` has it. */
  readonly gitCredentials: string | undefined;
}

export async function writeClientFiles(input: ClientFilesInput): Promise<ClientFiles> {
  const { shared, ofUrl, ca, environment, usersGit } = input;
  const isUrlInFile = isUrlInHexFile(input);
  const hex = (isUrlInFile ? ofUrl : shared).at("hex");
  // For the owner only: they may hold the mirror's token, and what the user's own files hold.
  for (const folder of [shared, ofUrl]) folder.makeFolder(0o700);
  await writePrivate(hex.at("hex.config"), hexConfig(input, input.hexTerms, isUrlInFile));
  await writePrivate(ofUrl.at("rebar3/.config/rebar3/rebar.config"), rebarConfig(input, input.rebarTerms));
  await writePrivate(ofUrl.at("gitconfig"), systemConfig(input.gitRules, usersGit));
  for (const name of [".curlrc", "wgetrc"]) await ofUrl.at(`quiet/${name}`).writeIfChanged("");
  // What Hex has fetched before is of use here too, and what it fetches here elsewhere: it checks each against the record.
  await linkTo(hex.at("packages"), input.hexPackages);
  await linkTo(hex.at("docs"), input.hexDocs);
  const rebarCache = shared.at("rebar3-cache");
  rebarCache.makeFolder();
  const files = {
    hexHome: hex.verifiedPath(),
    rebarHome: ofUrl.at("rebar3").verifiedPath(),
    rebarCache: rebarCache.verifiedPath(),
    gitSystem: ofUrl.at("gitconfig").verifiedPath(),
    quietHome: ofUrl.at("quiet").verifiedPath(),
    netrc: await writeNetrc(ofUrl.at("netrc"), input),
    gitCredentials: await writeCredentials(ofUrl.at("git-credentials"), input),
  };
  if (ca === undefined) return { ...files, caBundle: undefined, ca };
  const { cacerts } = input.hexTerms;
  const ofUsers = [
    ...gitAuthorityFiles(usersGit.settings, environment["HOME"]),
    ...(cacerts === undefined ? [] : [cacerts]),
  ];
  return {
    ...files,
    caBundle: await writeBundle(shared.at("ca-bundle.pem"), ca, await clientAuthorities(environment, ofUsers)),
    ca: await writeBundle(shared.at("ca-node.pem"), ca, await readGiven([environment["NODE_EXTRA_CA_CERTS"]])),
  };
}

/** Where there is such a folder: one that could not be made is not missed. */
async function linkTo(place: Place, folder: string): Promise<void> {
  if (isFolder(folder)) await place.linkTo(folder).catch(() => undefined);
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

/** Likewise. */
async function writeNetrc(file: Place, { url, token, netrc }: ClientFilesInput): Promise<string | undefined> {
  if (token === undefined) return undefined;
  await writePrivate(file, netrcFile(url, token, netrc));
  return file.verifiedPath();
}

async function writePrivate(file: Place, text: string): Promise<void> {
  await file.writeIfChanged(text, 0o600);
  await file.setMode(0o600);
}

const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * Clients replace their authorities by what they are given, so that all of them have to be in one file.
 * @param more files of the user's besides
 */
async function clientAuthorities(environment: Environment, more: readonly string[]): Promise<string> {
  const given = "GIT_SSL_CAINFO HEX_CACERTS_PATH CURL_CA_BUNDLE SSL_CERT_FILE".split(" ");
  given.push("REQUESTS_CA_BUNDLE", "PIP_CERT", "CARGO_HTTP_CAINFO");
  const found = await readGiven([...given.map((name) => environment[name]), ...systemBundles]);
  const usual = found === "" ? `${rootCertificates.join("\n")}\n` : found;
  const added = await Promise.all([...new Set(more)].map(async (file) => readGiven([file])));
  return [usual, ...added].map((text) => `${text.trimEnd()}\n`).join("");
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
