/**
 * What a mirror trusts is written in the mirror: of each Hex repository the URL and the key's fingerprint, recorded when
 * its records are first verified. Another key is refused until a person says so. docs/decisions/0011-trust.md
 */
import { X509Certificate, type KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { readIfPresent } from "../disk/files.ts";
import type { Place } from "../disk/place.ts";
import { stampThrough } from "../disk/stamp.ts";
import { whileUnchanged } from "../disk/while-unchanged.ts";
import { MirrorError, describeError } from "../errors.ts";
import { fingerprint, hexpmPublicKey, publicKeyPem, readPublicKey } from "../hex/keys.ts";
import { hexpm, sourceOf } from "../names/hex-repository.ts";
import { certificatesIn } from "../tls/certs-files.ts";
import { readMirrorFile, writeMirrorFile } from "./mirror-file.ts";
import { cachePlace, type StorePaths } from "./paths.ts";
import { publishedKey } from "./published-key.ts";
import { registryName, type Context } from "./context.ts";

/** The settings that say whom clients trust for TLS. */
export type AuthorityKey = "ownCertificate" | "certsDir";

/** What is trusted, in short. */
export interface Fingerprints {
  /** The registry's key, as Hex shows it: `SHA256:…`; undefined before it is signed. */
  readonly registry: string | undefined;
  /** The authority of the server's certificate, SHA-256 in hex digits with colons; undefined: none. */
  readonly ca: string | undefined;
  /** By Hex repository, whose records are trusted. */
  readonly upstreams: Readonly<Record<string, { readonly url: string | undefined; readonly key: string }>>;
}

/** The fingerprint of hex.pm's own key. */
export const hexpmFingerprint = fingerprint(readPublicKey(hexpmPublicKey, "hex.pm's key"));

/**
 * The key that a mirror trusts for a repository and all of its source: as recorded, else as a mirror of before has it in
 * `upstream/`. @returns undefined before the first use @throws MirrorError `config` where the two disagree
 */
export async function trustedKey(
  paths: StorePaths,
  repository: string,
): Promise<
  { readonly url: string | undefined; readonly key: string; readonly held: KeyObject | undefined } | undefined
> {
  const source = sourceOf(repository);
  const recorded = await recordedUpstream(paths, source);
  const file = paths.registry(source).upstreamPublicKey;
  const pem = (await file.read())?.toString("utf8") ?? (await readOrganisationKey(paths, repository));
  const held = pem === undefined ? undefined : readPublicKey(pem, file.path);
  const key = held === undefined ? recorded?.key : fingerprint(held);
  if (key === undefined) return undefined;
  if (recorded !== undefined && recorded.key !== key) {
    throw new MirrorError(
      "config",
      `${file.path} is the key ${key}, but ${paths.mirrorFile.path} says that this mirror trusts ${recorded.key} for ` +
        `${source}; put back whichever was changed`,
    );
  }
  return { url: recorded?.url, key, held };
}

/** Mirrors of before kept it beside the records of each organisation. */
async function readOrganisationKey(paths: StorePaths, repository: string): Promise<string | undefined> {
  if (repository === sourceOf(repository)) return undefined;
  return (await paths.registry(repository).upstreamPublicKey.read())?.toString("utf8");
}

async function recordedUpstream(paths: StorePaths, source: string) {
  const upstreams = (await readMirrorFile(paths))?.upstreams ?? {};
  return Object.hasOwn(upstreams, source) ? upstreams[source] : undefined;
}

/**
 * @param key that records of `repository` are to be verified with @param where the key is from, for the error
 * @throws MirrorError `config` when the mirror trusts another
 */
export async function requireTrusted(
  { config, paths }: Context<"newUpstreamKey">,
  repository: string,
  { key, where }: { readonly key: KeyObject; readonly where: string },
): Promise<void> {
  if (config.newUpstreamKey) return;
  const trusted = await trustedKey(paths, repository);
  const asked = fingerprint(key);
  if (trusted === undefined || trusted.key === asked) return;
  const source = sourceOf(repository);
  const option = source === hexpm ? "--hex-public-key FILE" : `--repo ${source}=URL,FILE`;
  throw new MirrorError(
    "config",
    `this mirror trusts the key ${trusted.key} for ${source}, and ${where} is ${asked}; give the first with ${option}, ` +
      "or say --new-upstream-key to trust the other from now on",
  );
}

/** For the only writer, once a record was verified. Takes over what a mirror of before trusts. */
export async function recordUpstream(
  context: Context<"registryName">,
  repository: string,
  { url, key }: { readonly url: string; readonly key: KeyObject },
): Promise<void> {
  const { paths, reporter } = context;
  const source = sourceOf(repository);
  const base = repository === source ? url : url.replace(/\/repos\/[^/]+$/, "");
  const before = await recordedUpstream(paths, source);
  const now = { url: base, key: fingerprint(key) };
  if (before !== undefined && before.key !== now.key)
    reporter.note(`${source} is trusted by the key ${now.key} from now on`);
  if (before !== undefined && before.url !== now.url)
    reporter.note(`${source} comes from ${now.url}, and no longer from ${before.url}`);
  await writeMirrorFile(paths, { registryName: await registryName(context), upstreams: { [source]: now } });
  for (const each of new Set([source, repository])) {
    await paths.registry(each).upstreamPublicKey.writeIfChanged(publicKeyPem(key));
  }
}

/** What cannot be read is told by what needs it. */
export interface Trust {
  readonly fingerprints: Fingerprints;
  /** Where what is written and what lies there disagree, in words. */
  readonly problems: readonly string[];
}

/** @param caFile what clients trust for TLS */
export async function lookAtTrust(paths: StorePaths, caFile: string): Promise<Trust> {
  const registry = await publishedKey(paths).catch(() => undefined);
  const ca = (await readIfPresent(caFile).catch(() => undefined))?.toString("utf8");
  const { upstreams, problems } = await lookAtUpstreams(paths);
  const fingerprints = {
    registry: registry === undefined ? undefined : fingerprint(registry),
    ca: ca === undefined ? undefined : orNone(() => new X509Certificate(ca).fingerprint256),
    upstreams,
  };
  return { fingerprints, problems };
}

/** The same, for who asks all the time. */
export function watchTrust(paths: StorePaths, caFile: string): () => Promise<Trust> {
  // Of each source that may have a key: more of them come only with the time of the folder.
  let keys: readonly string[] = [];
  const stamp = () =>
    [paths.registry(hexpm).publicKey.path, paths.mirrorFile.path, paths.upstreamDir.path, caFile, ...keys]
      .map(stampThrough)
      .join("\n");
  return whileUnchanged(stamp, async () => {
    keys = (await sources(paths)).map((source) => paths.registry(source).upstreamPublicKey.path);
    return lookAtTrust(paths, caFile);
  });
}

export async function fingerprintsOf(paths: StorePaths, caFile: string): Promise<Fingerprints> {
  return (await lookAtTrust(paths, caFile)).fingerprints;
}

/** By source, whose records are trusted; and where what is written and what lies there disagree, in words. */
export async function lookAtUpstreams(
  paths: StorePaths,
): Promise<{ readonly upstreams: Fingerprints["upstreams"]; readonly problems: readonly string[] }> {
  const upstreams: Record<string, Fingerprints["upstreams"][string]> = {};
  const problems: string[] = [];
  for (const source of await sources(paths)) {
    try {
      const trusted = await trustedKey(paths, source);
      if (trusted !== undefined) upstreams[source] = { url: trusted.url, key: trusted.key };
    } catch (error) {
      problems.push(describeError(error));
    }
  }
  return { upstreams, problems };
}

export async function tellTrustProblems({ paths, reporter }: Pick<Context, "paths" | "reporter">): Promise<void> {
  for (const problem of (await lookAtUpstreams(paths)).problems) reporter.warn(problem);
}

async function sources(paths: StorePaths): Promise<string[]> {
  const recorded = Object.keys((await readMirrorFile(paths).catch(() => undefined))?.upstreams ?? {});
  return [...new Set([...recorded, ...(await paths.upstreamDir.list("folder"))])].sort();
}

function orNone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The authority by which a server can prove itself, PEM: not one that merely came with the working folder. */
export async function knownAuthority(
  config: Pick<Config, "isAuthorityKnown" | AuthorityKey>,
): Promise<string | undefined> {
  if (!config.isAuthorityKnown && config.ownCertificate === undefined) return undefined;
  const pem = (await readIfPresent(caFileOf(config)).catch(() => undefined))?.toString("utf8");
  return pem === undefined ? undefined : orNone(() => certificatesIn(pem, caFileOf(config)));
}

/** What is kept of other servers and mirrors is believed, so it lies in no folder that a project chose. */
export function ownCache({ ownCacheDir }: Pick<Config, "ownCacheDir">): Place {
  return cachePlace(ownCacheDir);
}

/** What clients trust for TLS. */
export function caFileOf({ ownCertificate, certsDir }: Pick<Config, AuthorityKey>): string {
  return ownCertificate?.ca ?? join(certsDir, "ca.pem");
}
