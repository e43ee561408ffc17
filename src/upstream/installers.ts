/** Reads the lists of installers and what they name. Nothing is returned that was not verified. */
import { createHash, verify, type KeyObject } from "node:crypto";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { mixPublicKey, readPublicKey } from "../hex/keys.ts";
import type { Installer } from "../plan/installers.ts";
import { readKeyFile } from "../store/context.ts";
import type { GetOptions, HttpClient, Transfer } from "./http.ts";

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
  const options = { maxSize: maxListSize, ...transfer };
  let csv = await fetchFrom(http, url, options);
  if (csv === undefined) return undefined;
  const signature = await fetchFrom(http, `${url}.signed`, options);
  if (signature === undefined) {
    if (mustBeSigned) throw new MirrorError("integrity", `${url} is not signed`);
    return { csv, signature };
  }
  if (isSignedList({ csv, signature }, publicKey)) return { csv, signature };
  // Either may be damaged, or one be newer than the other: both once more.
  csv = (await fetchFrom(http, url, options)) ?? csv;
  const again = await fetchFrom(http, `${url}.signed`, options, (body) => {
    if (isSignedList({ csv: csv ?? body, signature: body }, publicKey)) return;
    throw new MirrorError("integrity", `${url} is not signed by the expected key`);
  });
  if (again === undefined) throw new MirrorError("integrity", `${url} is not signed by the expected key`);
  return { csv, signature: again };
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
  const bytes = await fetchFrom(http, url, { maxSize: maxInstallerSize, ...transfer }, (body) => {
    if (sha512Of(body) !== sha512) throw new MirrorError("integrity", `${url} is not the file that the list names`);
  });
  if (bytes === undefined) throw new MirrorError("not_found", `upstream has no ${url}, which its list names`);
  return bytes;
}

/** The key that signs the lists: as given, else Mix's own. @throws MirrorError `config` */
export async function installersKey({ buildsPublicKey: file }: Pick<Config, "buildsPublicKey">): Promise<KeyObject> {
  return file === undefined ? readPublicKey(mixPublicKey, "Mix's key") : readKeyFile(file, "--builds-public-key");
}

/** 128 lower-case hex digits. */
export function sha512Of(bytes: Buffer): string {
  return createHash("sha512").update(bytes).digest("hex");
}

/** @param check whether it is what was asked for, where that can be told @returns undefined where upstream has none */
async function fetchFrom(
  http: HttpClient,
  url: string,
  options: Pick<GetOptions, "maxSize"> & Transfer,
  check: (body: Buffer) => void = () => undefined,
): Promise<Buffer | undefined> {
  return http.get(url, options, ({ status, body, isPage }) => {
    if (status === 404 || status === 403) return undefined;
    if (status !== 200) throw new MirrorError("upstream", `upstream answered ${url} with status ${status}`);
    if (isPage) throw new MirrorError("integrity", `${url} is a page`);
    check(body);
    return body;
  });
}
