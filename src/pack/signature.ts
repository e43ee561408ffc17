/**
 * A detached signature of an image's digest, in a file beside it: whoever has the public key knows that this very image is the
 * one that was packed, by whatever hands and registries it came. What is signed begins with words of our own, so that no
 * signature of something else by the same key is one of an image.
 */
import { createPrivateKey, createPublicKey, createHash, sign, verify, type KeyObject } from "node:crypto";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { readText } from "../disk/files.ts";
import { parseJson, trimEnd } from "../text.ts";
import { filePlace } from "./layout.ts";

const schema = z.object({
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** Of the public key, so that people see whose it is. */
  key: z.string(),
  signature: z.base64(),
});

/** `mirror.tar` → `mirror.tar.sig` */
export function signatureFileOf(image: string): string {
  return `${trimEnd(image, "/")}.sig`;
}

/** @param file PEM: Ed25519, ECDSA or RSA @throws MirrorError `config` */
export async function readSigningKey(file: string, registryKey: KeyObject | undefined): Promise<KeyObject> {
  const key = await readKey(file, "--sign", createPrivateKey);
  requireFit(key, "--sign", file);
  if (registryKey !== undefined && idOf(createPublicKey(key)) === idOf(registryKey)) {
    throw new MirrorError(
      "config",
      `--sign: ${file} is the key that signs the registry, which signs nothing else; make one for images: ` +
        "openssl genpkey -algorithm ed25519 -out pack_key.pem",
    );
  }
  return key;
}

/** @throws MirrorError `config` */
export async function readVerifyingKey(file: string): Promise<KeyObject> {
  const key = await readKey(file, "--key", createPublicKey);
  requireFit(key, "--key", file);
  return key;
}

const leastBits = 2048;

function requireFit(
  { asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject,
  option: string,
  file: string,
): void {
  const isLong = type !== "rsa" || (details?.modulusLength ?? 0) >= leastBits;
  if (isLong && ["rsa", "ec", "ed25519", "ed448"].includes(type ?? "")) return;
  const what = isLong ? `is a key of the kind ${type}, which signs nothing` : `has fewer than ${leastBits} bits`;
  throw new MirrorError("config", `${option}: ${file} ${what}; make one: openssl genpkey -algorithm ed25519`);
}

/** Whether a file is a signature that was made here: any other is somebody's. @throws MirrorError `config` */
export async function requireSignature(file: string): Promise<boolean> {
  const found = filePlace(file).look();
  if (found === undefined) return false;
  const text = found.isFile() ? await readText(file).catch(() => "") : "";
  if (schema.safeParse(parseJson(text)).success) return true;
  throw new MirrorError(
    "config",
    `${file} is where the signature would go, and is something else; give the image another name`,
  );
}

async function readKey(file: string, option: string, read: (pem: string) => KeyObject): Promise<KeyObject> {
  let pem: string;
  try {
    pem = await readText(file);
  } catch (cause) {
    throw new MirrorError("config", `${option}: cannot read ${file}`, { cause });
  }
  try {
    return read(pem);
  } catch (cause) {
    const what = option === "--sign" ? "private key without a passphrase" : "public key";
    throw new MirrorError("config", `${option}: ${file} holds no ${what} in PEM format`, { cause });
  }
}

/** @returns the content of the signature's file */
export function signatureOf(digest: string, key: KeyObject): string {
  const signature = sign(algorithmOf(key), statementOf(digest), key).toString("base64");
  return `${JSON.stringify({ digest, key: idOf(createPublicKey(key)), signature }, null, 1)}\n`;
}

/** @throws MirrorError `integrity` naming what does not fit */
export async function requireSigned(digest: string, file: string, key: KeyObject): Promise<void> {
  const text = await readText(file).catch((cause: unknown) => {
    throw new MirrorError(
      "integrity",
      `--key: there is no signature in ${file}; "mirror-server pack --sign" makes it`,
      {
        cause,
      },
    );
  });
  const { data: signed } = schema.safeParse(parseJson(text));
  if (signed === undefined) throw new MirrorError("integrity", `--key: ${file} is no signature of an image`);
  if (!verify(algorithmOf(key), statementOf(signed.digest), key, Buffer.from(signed.signature, "base64"))) {
    throw new MirrorError(
      "integrity",
      `--key: ${file} was not signed by that key (${idOf(key)}), but by ${signed.key}`,
    );
  }
  if (signed.digest !== digest) {
    throw new MirrorError(
      "integrity",
      `--key: what was signed is ${signed.digest}, and this image is ${digest}: it is another, or was changed on the way ` +
        "(skopeo copies without changing with --preserve-digests)",
    );
  }
}

function statementOf(digest: string): Buffer {
  return Buffer.from(`mirror-server pack, version 1\n${digest}\n`);
}

/** These bring their own; RSA and ECDSA take a hash beside the key. */
function algorithmOf({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType === "ed25519" || asymmetricKeyType === "ed448" ? null : "sha256";
}

/** `SHA256:` and the hash of the public key as it stands in PEM. */
function idOf(key: KeyObject): string {
  const der = key.export({ type: "spki", format: "der" });
  return `SHA256:${trimEnd(createHash("sha256").update(der).digest("base64"), "=")}`;
}
