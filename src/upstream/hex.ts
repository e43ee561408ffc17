/** Reads a Hex repository: package records, conditionally, tarballs, documentation. Nothing is returned unchecked. */
import type { KeyObject } from "node:crypto";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { MirrorError } from "../errors.ts";
import { readExpectedTarball } from "../hex/check.ts";
import { decodeNames, decodePackage, decodeVersions, type Package, type Release } from "../hex/records.ts";
import { decodePolicy } from "../hex/policies.ts";
import { tokenVariable } from "../names/hex-repository.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { maxTarballSize } from "../hex/tarball.ts";
import type { Demand } from "../plan/packages.ts";
import type { TokenOf } from "./token-exchange.ts";
import type { GetOptions, HttpAnswer, HttpClient, Transfer } from "./http.ts";

export interface HexUpstream {
  /** Base URL, without a slash at the end. */
  readonly url: string;
  /** The name that its records carry, `hexpm` for hex.pm. */
  readonly repository: string;
  readonly publicKey: KeyObject;
  /** What is sent as `Authorization`, as secret as a password; absent: nothing. */
  readonly token?: TokenOf | undefined;
}

/** What made the last answer; sent back to ask whether it still holds. */
export interface Validator {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** Upstream had nothing of that name. */
  readonly absent?: true | undefined;
}

export type FetchedRecord =
  | { readonly changed: false }
  | { readonly changed: true; readonly bytes: Buffer; readonly record: Package; readonly validator: Validator };

export type FetchedDocs = { readonly bytes: Buffer; readonly validator: Validator } | "none" | "unchanged";

// hex.pm's largest package record has less than 1 MB. Bytes.
const maxRecordSize = 32 * 1024 * 1024;
// Unpacked.
const maxDocsSize = 1024 * 1024 * 1024;

/** @throws MirrorError `not_found`, `upstream`, `integrity` */
export async function fetchRecord(
  http: HttpClient,
  upstream: HexUpstream,
  name: string,
  validator: Validator | undefined,
  transfer: Transfer,
): Promise<FetchedRecord> {
  const url = `${upstream.url}/packages/${name}`;
  const asking = await optionsFor(upstream, { http, transfer, validator });
  const options = { ...asking, maxSize: maxRecordSize, isGzip: true };
  return http.get(url, options, (answer) => {
    if (answer.status === 304 && validator !== undefined) return { changed: false };
    expectOk(answer, url, upstream);
    return {
      changed: true,
      bytes: answer.body,
      record: verifyRecord(answer.body, upstream, name, url),
      validator: validatorOf(answer),
    };
  });
}

/** What upstream signs besides records. */
export type ListName = "names" | "versions";

export type FetchedList =
  { readonly changed: false } | { readonly changed: true; readonly bytes: Buffer; readonly validator: Validator };

/** Of all packages: verified to be upstream's, of this repository. @throws MirrorError `not_found`, `upstream`, `integrity` */
export async function fetchList(
  http: HttpClient,
  upstream: HexUpstream,
  name: ListName,
  validator: Validator | undefined,
  transfer: Transfer,
): Promise<FetchedList> {
  const url = `${upstream.url}/${name}`;
  const asking = await optionsFor(upstream, { http, transfer, validator });
  const options = { ...asking, maxSize: maxRecordSize, isGzip: true };
  return http.get(url, options, (answer) => {
    if (answer.status === 304 && validator !== undefined) return { changed: false };
    expectOk(answer, url, upstream);
    verifyList(answer.body, upstream, name, url);
    return { changed: true, bytes: answer.body, validator: validatorOf(answer) };
  });
}

/** @param where named in errors @returns its payload @throws MirrorError `integrity` */
export function verifyList(bytes: Buffer, upstream: HexUpstream, name: ListName, where: string): Uint8Array {
  try {
    const payload = verifyAndUnwrap(bytes, upstream.publicKey);
    const { repository } = name === "names" ? decodeNames(payload) : decodeVersions(payload);
    if (repository === upstream.repository) return payload;
    throw new MirrorError("integrity", `it is signed for repository "${repository}", not "${upstream.repository}"`);
  } catch (cause) {
    throw new MirrorError("integrity", `${where} cannot be trusted`, { cause });
  }
}

/** A dependency policy, as upstream signed it. @throws likewise */
export async function fetchPolicy(
  http: HttpClient,
  upstream: HexUpstream,
  name: string,
  transfer: Transfer,
): Promise<Buffer> {
  const url = `${upstream.url}/policies/${name}`;
  const asking = await optionsFor(upstream, { http, transfer });
  return http.get(url, { ...asking, maxSize: maxRecordSize, isGzip: true }, (answer) => {
    expectOk(answer, url, upstream);
    verifyPolicy(answer.body, upstream, name, url);
    return answer.body;
  });
}

/**
 * As with records, a signature alone would let a hostile host answer with another policy.
 * @param where named in errors @returns its payload @throws MirrorError `integrity`
 */
export function verifyPolicy(
  bytes: Buffer,
  { repository, publicKey }: Pick<HexUpstream, "repository" | "publicKey">,
  name: string,
  where: string,
): Uint8Array {
  try {
    const payload = verifyAndUnwrap(bytes, publicKey);
    const policy = decodePolicy(payload);
    if (policy.name === name && policy.repository === repository) return payload;
    const signed = `policy "${policy.name}" of "${policy.repository}"`;
    throw new MirrorError("integrity", `it is signed as ${signed}, not "${name}" of "${repository}"`);
  } catch (cause) {
    throw new MirrorError("integrity", `${where} cannot be trusted`, { cause });
  }
}

interface OptionsTools {
  readonly http: HttpClient;
  readonly transfer: Transfer;
  readonly validator?: Validator | undefined;
}

async function optionsFor(
  { token }: HexUpstream,
  { http, transfer, validator }: OptionsTools,
): Promise<Omit<GetOptions, "maxSize">> {
  return {
    ...transfer,
    token: await token?.(http, transfer),
    headers: {
      ...(validator?.etag === undefined ? {} : { "if-none-match": validator.etag }),
      ...(validator?.lastModified === undefined ? {} : { "if-modified-since": validator.lastModified }),
    },
  };
}

function validatorOf({ headers }: HttpAnswer): Validator {
  return { etag: headers["etag"], lastModified: headers["last-modified"] };
}

/**
 * A record must be signed by upstream's key and be about this package of this repository: a signature alone would let
 * a hostile host answer with another package's record.
 * @param where named in errors @throws MirrorError `integrity`
 */
export function verifyRecord(bytes: Buffer, upstream: HexUpstream, name: string, where: string): Package {
  try {
    const record = decodePackage(verifyAndUnwrap(bytes, upstream.publicKey));
    if (record.name === name && record.repository === upstream.repository) return record;
    throw new MirrorError(
      "integrity",
      `it is signed as package "${record.name}" of repository "${record.repository}", not "${name}" of ` +
        `"${upstream.repository}"`,
    );
  } catch (cause) {
    throw new MirrorError("integrity", `${where} cannot be trusted`, { cause });
  }
}

/** @returns the bytes, checked against the record and every lock's demand @throws MirrorError */
export async function fetchTarball(
  http: HttpClient,
  upstream: HexUpstream,
  release: { readonly name: string; readonly record: Release; readonly demands: readonly Demand[] },
  transfer: Transfer,
): Promise<Buffer> {
  const url = `${upstream.url}/tarballs/${release.name}-${release.record.version}.tar`;
  const asking = await optionsFor(upstream, { http, transfer });
  return http.get(url, { ...asking, maxSize: maxTarballSize }, (answer) => {
    expectOk(answer, url, upstream);
    try {
      readExpectedTarball(answer.body, release.name, release.record, release.demands);
    } catch (cause) {
      throw new MirrorError("integrity", `${url} is not what it should be`, { cause });
    }
    return answer.body;
  });
}

/**
 * A release's documentation. Neither record nor lock has a checksum of it: what can be checked is that it is whole.
 * @returns `none` when upstream has none, `unchanged` when no other than before @throws MirrorError `upstream`, `integrity`
 */
export async function fetchDocs(
  http: HttpClient,
  upstream: HexUpstream,
  release: { readonly name: string; readonly version: string },
  validator: Validator | undefined,
  transfer: Transfer,
): Promise<FetchedDocs> {
  const url = `${upstream.url}/docs/${release.name}-${release.version}.tar.gz`;
  const asking = await optionsFor(upstream, { http, transfer, validator });
  const options = { ...asking, maxSize: maxTarballSize, isGzip: true };
  return http.get(url, options, async (answer) => {
    if (answer.status === 304 && validator !== undefined) return "unchanged";
    if (answer.status === 403 || answer.status === 404) return "none";
    expectOk(answer, url, upstream);
    try {
      await unpacks(answer.body);
    } catch (cause) {
      throw new MirrorError("integrity", `${url} is damaged`, { cause });
    }
    return { bytes: answer.body, validator: validatorOf(answer) };
  });
}

/** Piece by piece, since a small file may unpack to more than memory holds. @throws an error where it is damaged */
export async function unpacks(bytes: Buffer): Promise<void> {
  let size = 0;
  const count = new Writable({
    write(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > maxDocsSize ? new Error(`it unpacks to more than ${maxDocsSize} bytes`) : null);
    },
  });
  await pipeline([bytes], createGunzip(), count);
}

function expectOk(answer: HttpAnswer, url: string, { repository, token }: HexUpstream): void {
  if (answer.status === 200) return;
  if (answer.status === 401) {
    const what = token === undefined ? "wants a token" : "does not take the token that it was sent";
    const remedy = `give ${tokenVariable(repository)}, or log in with Hex`;
    throw new MirrorError("refused", `upstream ${what} for ${url}; ${remedy}`);
  }
  // S3 and Fastly, which serve hex.pm's files, answer 403 for what is not there.
  if (answer.status === 404 || answer.status === 403) {
    throw new MirrorError("not_found", `upstream has no ${url} (status ${answer.status})`);
  }
  throw new MirrorError("upstream", `upstream answered ${url} with status ${answer.status}`);
}
