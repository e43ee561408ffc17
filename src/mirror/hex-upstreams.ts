/** Where each Hex repository that locks name is fetched from, with which key and which token. */
import type { KeyObject } from "node:crypto";
import { readIfPresent } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import type { HexUpstream } from "../fetch/hex.ts";
import { readHexConfigToken } from "../hex/hex-config.ts";
import { hexpmPublicKey, readPublicKey } from "../hex/keys.ts";
import { hexpm, organisationOf, signedName, sourceOf, tokenVariable } from "../hex/repository.ts";
import { readKeyFile, type Context } from "./context.ts";

/**
 * @returns by repository, its upstream, or why there is none
 * @throws MirrorError `config` when a key that was given cannot be read
 */
export async function hexUpstreams(
  context: Context,
  repositories: readonly string[],
): Promise<Map<string, HexUpstream | MirrorError>> {
  const found = new Map<string, HexUpstream | MirrorError>();
  for (const repository of repositories) {
    const upstream = await hexUpstream(context, repository).catch((error: unknown) => {
      if (error instanceof MirrorError && error.code === "refused") return error;
      throw error;
    });
    found.set(repository, upstream);
  }
  return found;
}

/** @throws MirrorError `config` when a key cannot be read, `refused` for a repository that nobody told of */
async function hexUpstream(context: Context, repository: string): Promise<HexUpstream> {
  const { config } = context;
  const source = sourceOf(repository);
  const organisation = organisationOf(repository);
  const base = source === hexpm ? config.hexUrl : config.repositories.find(({ name }) => name === source)?.url;
  if (base === undefined) {
    throw new MirrorError("refused", `the repository "${source}" is not known; give --repo ${source}=URL,KEYFILE`);
  }
  const url = organisation === undefined ? base : `${base}/repos/${organisation}`;
  return {
    url,
    repository: signedName(repository),
    publicKey: await upstreamKey(context, source),
    token: await tokenFor(context, repository, url),
  };
}

/** The key that downloads must be signed with: as given, else hex.pm's. Never one from the mirror's folder. */
async function upstreamKey({ config }: Context, source: string): Promise<KeyObject> {
  if (source === hexpm) {
    const { hexPublicKeyFile: file } = config;
    return file === undefined ? readPublicKey(hexpmPublicKey, "hex.pm's key") : readKeyFile(file, "--hex-public-key");
  }
  const file = config.repositories.find(({ name }) => name === source)?.publicKeyFile;
  if (file === undefined) {
    throw new MirrorError(
      "refused",
      `the key of the repository "${source}" is not known; give --repo ${source}=URL,KEYFILE`,
    );
  }
  return readKeyFile(file, "--repo");
}

/**
 * The key of the records that the mirror holds: as given, else the one that the last sync verified them with.
 * @throws MirrorError
 */
export async function heldRecordsKey(context: Context, repository: string): Promise<KeyObject> {
  const { config, paths } = context;
  const source = sourceOf(repository);
  const given =
    source === hexpm ? config.hexPublicKeyFile : config.repositories.find(({ name }) => name === source)?.publicKeyFile;
  const file = paths.registry(repository).upstreamPublicKey;
  const pem = given === undefined ? await file.read() : undefined;
  return pem === undefined ? upstreamKey(context, source) : readPublicKey(pem.toString("utf8"), file.path);
}

/**
 * `MIRROR_TOKEN_ACME`, else what Hex itself would send to that very URL. The public repository needs none, so the
 * user's own token for it goes nowhere.
 */
async function tokenFor({ config }: Context, repository: string, url: string): Promise<string | undefined> {
  const given = config.tokens.get(tokenVariable(repository));
  if (given !== undefined || repository === hexpm) return given;
  const text = (await readIfPresent(config.hexConfigFile))?.toString("utf8");
  return text === undefined
    ? undefined
    : readHexConfigToken(text, config.hexConfigFile, { repository, url, now: Date.now() / 1000 });
}
