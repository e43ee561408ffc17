/**
 * A detached signature of an image's digest, in a file beside it: whoever has the public key knows that this very image is the
 * one that was packed, by whatever hands and registries it came. What is signed begins with words of our own, so that no
 * signature of something else by the same key is one of an image.
 */
import { createPrivateKey, createPublicKey, createHash, sign, verify, type KeyObject } from "node:crypto";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { readText } from "../disk/files.ts";

const schema = z.object({
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** Of the public key, so that people see whose it is. */
  key: z.string(),
  signature: z.base64(),
});

/** `mirror.tar` → `mirror.tar.sig` */
export function signatureFileOf(image: string): string {
  return `${image.replace(/\/+$/, "")}.sig`;
}

/** @param file PEM: Ed25519, ECDSA or RSA @throws MirrorError `config` */
export async function readSigningKey(file: string, registryKey: KeyObject | undefined): Promise<KeyObject> {
  const key = await readKey(file, "--sign", createPrivateKey);
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
  return readKey(file, "--key", createPublicKey);
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
  let signed: z.infer<typeof schema>;
  try {
    signed = schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new MirrorError("integrity", `--key: ${file} is no signature of an image`, { cause });
  }
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
  return `SHA256:${createHash("sha256").update(der).digest("base64").replace(/=+$/, "")}`;
}
