/** Where each Hex repository that locks name is fetched from, with which key and which token. */
import type { KeyObject } from "node:crypto";
import type { Config } from "../config.ts";
import { readIfPresent } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import type { HexUpstream } from "./hex.ts";
import { isExchanged, readHexConfigToken } from "../hex/hex-config.ts";
import { fingerprint, hexpmPublicKey, readPublicKey } from "../hex/keys.ts";
import { hexpm, organisationOf, signedName, sourceOf, tokenVariable } from "../names/hex-repository.ts";
import { exchanging, type TokenOf } from "./token-exchange.ts";
import { readKeyFile, type Context } from "../store/context.ts";
import { hexpmFingerprint, requireTrusted, trustedKey } from "../store/trust.ts";

/** The settings that say whose records are trusted, and those that say where they come from besides. */
export type RecordsKey = "hexPublicKey" | "repos" | "newUpstreamKey";
export type UpstreamKey = RecordsKey | "hexUrl" | "hexApiUrl" | "found" | "tokens" | "hexConfigFile";

/** @throws MirrorError `config` for a key that cannot be read or is not trusted, `refused` for a repository that nobody told of */
export async function hexUpstream(context: Context<UpstreamKey>, repository: string): Promise<HexUpstream> {
  const { config, reporter } = context;
  const source = sourceOf(repository);
  const organisation = organisationOf(repository);
  const base = source === hexpm ? config.hexUrl : named(config, source)?.url;
  if (base === undefined) {
    throw new MirrorError(
      "refused",
      `the repository "${source}" is not known; give --repo ${source}=URL,KEYFILE, or put packages of your own into it with "mirror-server add"`,
    );
  }
  const url = organisation === undefined ? base : `${base}/repos/${organisation}`;
  const { key: publicKey, where } = await configuredKey(context, source);
  await requireTrusted(context, repository, { key: publicKey, where });
  if (isFound(context, source)) {
    reporter.note(`${source} comes from ${base}, signed by ${fingerprint(publicKey)}, as ${config.found.path} says`);
  }
  return { url, repository: signedName(repository), publicKey, token: await tokenFor(context, repository, url) };
}

/** The key that downloads must be signed with: as given, else hex.pm's. Never one from the mirror's folder. */
async function configuredKey(
  { config }: Context<RecordsKey>,
  source: string,
): Promise<{ key: KeyObject; where: string }> {
  if (source === hexpm) {
    const { hexPublicKey: file } = config;
    if (file === undefined) return { key: readPublicKey(hexpmPublicKey, "hex.pm's key"), where: "hex.pm's own key" };
    return { key: await readKeyFile(file, "--hex-public-key"), where: file };
  }
  const file = named(config, source)?.publicKeyFile;
  if (file !== undefined) return { key: await readKeyFile(file, "--repo"), where: file };
  throw new MirrorError(
    "refused",
    `the key of the repository "${source}" is not known; give --repo ${source}=URL,KEYFILE`,
  );
}

function named({ repos }: Pick<Config, "repos">, source: string) {
  return repos.find(({ name }) => name === source);
}

/** Whether URL or key of a source are from a configuration file that nobody named. */
function isFound({ config }: Context<"found">, source: string): boolean {
  const keys = source === hexpm ? (["hexUrl", "hexPublicKey"] as const) : (["repos"] as const);
  return keys.some((key) => config.found.keys.has(key));
}

/**
 * The key of the records that the mirror holds: as given, else the one that the last sync verified them with.
 * @throws MirrorError `config`, too, for one that this mirror does not trust
 */
export async function heldRecordsKey(context: Context<RecordsKey>, repository: string): Promise<KeyObject> {
  const { config, paths, reporter } = context;
  const source = sourceOf(repository);
  const isGiven = (source === hexpm ? config.hexPublicKey : named(config, source)?.publicKeyFile) !== undefined;
  const trusted = config.newUpstreamKey || !isGiven ? await trustedKey(paths, repository) : undefined;
  const held = trusted?.held;
  // With --new-upstream-key, what is held counts until a record by the new key has taken its place.
  if (isGiven && held !== undefined) return held;
  if (held !== undefined) {
    const key = fingerprint(held);
    if (source === hexpm && key !== hexpmFingerprint) {
      reporter.note(`the records of ${repository} here are signed by ${key}, which is not hex.pm's own key`);
    }
    return held;
  }
  const configured = await configuredKey(context, source);
  await requireTrusted(context, repository, configured);
  return configured.key;
}

/** For what works on held records: a key that was given is the one that this mirror trusts. @throws MirrorError `config` */
export async function requireGivenKeys(context: Context<RecordsKey>): Promise<void> {
  const { config } = context;
  const given = [
    ...(config.hexPublicKey === undefined ? [] : [hexpm]),
    ...config.repos.filter(({ publicKeyFile }) => publicKeyFile !== undefined).map(({ name }) => name),
  ];
  for (const source of given) await requireTrusted(context, source, await configuredKey(context, source));
}

/**
 * `MIRROR_TOKEN_ACME`, else what Hex itself would send to that very URL. The public repository needs none, so the
 * user's own token for it goes nowhere. A key of an organisation's is exchanged, as Hex does it.
 * @throws MirrorError `refused` where a file that came with a project would have the token sent to a place of its own
 */
async function tokenFor(
  context: Context<"found" | "tokens" | "hexConfigFile" | "hexApiUrl">,
  repository: string,
  url: string,
): Promise<TokenOf | undefined> {
  const { config } = context;
  const given = config.tokens.get(tokenVariable(repository));
  if (given !== undefined && isFound(context, sourceOf(repository))) {
    throw new MirrorError(
      "refused",
      `${tokenVariable(repository)} is not sent to ${url}, since only ${config.found.path} says so, which lies in the ` +
        "working folder; name that file with --config",
    );
  }
  const text = repository === hexpm ? undefined : (await readIfPresent(config.hexConfigFile))?.toString("utf8");
  const question = { repository, url, now: Date.now() / 1000 };
  const key = given ?? (text === undefined ? undefined : readHexConfigToken(text, config.hexConfigFile, question));
  if (key === undefined) return undefined;
  const organisation = sourceOf(repository) === hexpm ? organisationOf(repository) : undefined;
  const { hexApiUrl: apiUrl } = config;
  // What begins with its kind is a token already.
  const isKey = !/^\S+ /.test(key) && (given !== undefined || text === undefined || isExchanged(text, repository));
  if (organisation === undefined || apiUrl === undefined || !isKey) return async () => key;
  const remedy =
    `give ${tokenVariable(repository)} a key of the organisation's (mix hex.organization key ${organisation} generate), ` +
    "or log in with mix hex.user auth";
  return exchanging({ key, apiUrl, repository, remedy });
}
