/** Reads the lists of installers and what they name. Nothing is returned that was not verified. */
import { createHash, verify, type KeyObject } from "node:crypto";
import { MirrorError } from "../errors.ts";
import type { Installer } from "../plan/installers.ts";
import type { HttpClient, Transfer } from "./http.ts";

export interface SignedList {
  readonly csv: Buffer;
  /** As upstream gives it, base64 in lines; undefined for a list that upstream does not sign. */
  readonly signature: Buffer | undefined;
}

const maxListSize = 8 * 1024 * 1024;
const maxInstallerSize = 64 * 1024 * 1024;

/**
 * @param url of the list; its signature lies beside it as `.signed`, RSA over SHA-512 of the whole list in base64
 * @returns undefined when upstream has no such list @throws MirrorError `upstream`, `integrity`
 */
export async function fetchInstallerList(
  http: HttpClient,
  url: string,
  publicKey: KeyObject,
  { mustBeSigned }: { readonly mustBeSigned: boolean },
  transfer: Transfer,
): Promise<SignedList | undefined> {
  const csv = await fetchFrom(http, url, maxListSize, transfer);
  if (csv === undefined) return undefined;
  const signature = await fetchFrom(http, `${url}.signed`, maxListSize, transfer);
  if (signature === undefined) {
    if (mustBeSigned) throw new MirrorError("integrity", `${url} is not signed`);
    return { csv, signature };
  }
  if (!isSignedList({ csv, signature }, publicKey)) {
    throw new MirrorError("integrity", `${url} is not signed by the expected key`);
  }
  return { csv, signature };
}

export function isSignedList({ csv, signature }: SignedList, publicKey: KeyObject): boolean {
  return (
    signature !== undefined && verify("sha512", csv, publicKey, Buffer.from(signature.toString("latin1"), "base64"))
  );
}

/** @throws MirrorError `not_found`, `upstream`, `integrity` */
export async function fetchInstaller(
  http: HttpClient,
  base: string,
  { path, sha512 }: Installer,
  transfer: Transfer,
): Promise<Buffer> {
  const url = `${base}/${path}`;
  const bytes = await fetchFrom(http, url, maxInstallerSize, transfer);
  if (bytes === undefined) throw new MirrorError("not_found", `upstream has no ${url}, which its list names`);
  if (sha512Of(bytes) !== sha512) throw new MirrorError("integrity", `${url} is not the file that the list names`);
  return bytes;
}

/** 128 lower-case hex digits. */
export function sha512Of(bytes: Buffer): string {
  return createHash("sha512").update(bytes).digest("hex");
}

async function fetchFrom(
  http: HttpClient,
  url: string,
  maxSize: number,
  transfer: Transfer,
): Promise<Buffer | undefined> {
  const { status, body } = await http.get(url, { maxSize, ...transfer });
  if (status === 200) return body;
  if (status === 404 || status === 403) return undefined;
  throw new MirrorError("upstream", `upstream answered ${url} with status ${status}`);
}
