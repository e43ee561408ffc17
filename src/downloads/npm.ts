/**
 * What npm says of a version of a package, signed: the tarball's SHA-512, and where it lies. Checked as esbuild's client
 * does it. Pure. https://docs.npmjs.com/about-registry-signatures
 */
import { verify } from "node:crypto";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { parseJson } from "../text.ts";
import type { NpmCheck } from "./tools.ts";

const schema = z.object({
  _id: z.string(),
  dist: z.object({
    integrity: z.string(),
    tarball: z.string(),
    signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })).default([]),
  }),
});

/** @returns the SHA-512 of the tarball at that URL @throws MirrorError `malformed`, `integrity` */
export function readNpmPackage(text: string, url: string, { id, keys }: Omit<NpmCheck, "aboutUrl">): Buffer {
  const { success, data } = schema.safeParse(parseJson(text));
  if (!success) throw new MirrorError("malformed", "what npm says of it is not what npm says of a package");
  const { _id: told, dist } = data;
  // What npm signs is of everybody's packages.
  if (told !== id)
    throw new MirrorError("integrity", `npm tells of ${JSON.stringify(told)}, where ${id} was asked for`);
  const [, sha512] = /^sha512-([A-Za-z0-9+/]{86}==)$/.exec(dist.integrity) ?? [];
  if (sha512 === undefined) throw new MirrorError("malformed", "npm names no SHA-512 of it");
  if (dist.tarball !== url) throw new MirrorError("integrity", `npm says that it lies at ${dist.tarball}`);
  // Packages of before npm signed know no key: then TLS alone vouches for what npm says.
  if (Object.keys(keys).length === 0) return Buffer.from(sha512, "base64");
  const isSigned = dist.signatures.some(({ keyid, sig }) => {
    const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined;
    return key !== undefined && isBy(key, `${id}:${dist.integrity}`, sig);
  });
  if (!isSigned) throw new MirrorError("integrity", "no key that the package knows has signed what npm says of it");
  return Buffer.from(sha512, "base64");
}

/** @param key PEM; of what is none, nothing is signed */
function isBy(key: string, text: string, signature: string): boolean {
  try {
    return verify("sha256", Buffer.from(text), key, Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}
