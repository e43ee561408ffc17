/** Reads a Hex repository: package records, conditionally, and tarballs. Nothing is returned that was not verified. */
import type { KeyObject } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { demandProblem, tarballProblem } from "../hex/check.ts";
import { decodePackage, type Package, type Release } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { maxTarballSize, readTarball, type Tarball } from "../hex/tarball.ts";
import type { Demand } from "../plan/plan.ts";
import type { HttpAnswer, HttpClient } from "./http.ts";

export interface HexUpstream {
  /** Base URL, without a slash at the end. */
  readonly url: string;
  /** The name that its records carry, `hexpm` for hex.pm. */
  readonly repository: string;
  readonly publicKey: KeyObject;
}

/** What made the last answer; sent back to ask whether it still holds. */
export interface Validator {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export type FetchedRecord =
  | { readonly changed: false }
  | { readonly changed: true; readonly bytes: Buffer; readonly record: Package; readonly validator: Validator };

interface Transfer {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: (count: number) => void;
}

// hex.pm's largest package record has less than 1 MB.
const maxRecordSize = 64 * 1024 * 1024;

/** @throws MirrorError `not_found`, `upstream`, `integrity` */
export async function fetchRecord(
  http: HttpClient,
  upstream: HexUpstream,
  name: string,
  validator: Validator | undefined,
  transfer: Transfer,
): Promise<FetchedRecord> {
  const url = `${upstream.url}/packages/${name}`;
  const headers = {
    ...(validator?.etag === undefined ? {} : { "if-none-match": validator.etag }),
    ...(validator?.lastModified === undefined ? {} : { "if-modified-since": validator.lastModified }),
  };
  const answer = await http.get(url, { headers, maxSize: maxRecordSize, ...transfer });
  if (answer.status === 304 && validator !== undefined) return { changed: false };
  expectOk(answer, url);
  return {
    changed: true,
    bytes: answer.body,
    record: verifyRecord(answer.body, upstream, name, url),
    validator: { etag: answer.headers["etag"], lastModified: answer.headers["last-modified"] },
  };
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
  const answer = await http.get(url, { maxSize: maxTarballSize, ...transfer });
  expectOk(answer, url);
  let tarball: Tarball;
  try {
    tarball = readTarball(answer.body);
  } catch (cause) {
    throw new MirrorError("integrity", `${url} is damaged`, { cause });
  }
  const problem =
    tarballProblem(tarball, release.name, release.record) ??
    release.demands.map((demand) => demandProblem(tarball, demand)).find((mismatch) => mismatch !== undefined);
  if (problem !== undefined) throw new MirrorError("integrity", `${url}: ${problem}`);
  return answer.body;
}

function expectOk(answer: HttpAnswer, url: string): void {
  if (answer.status === 200) return;
  // S3 and Fastly, which serve hex.pm's files, answer 403 for what is not there.
  if (answer.status === 404 || answer.status === 403) {
    throw new MirrorError("not_found", `upstream has no ${url} (status ${answer.status})`);
  }
  const location = answer.headers["location"];
  const hint = location === undefined ? "" : ` and points to ${location}; if that is right, set --hex-url`;
  throw new MirrorError("upstream", `upstream answered ${url} with status ${answer.status}${hint}`);
}
