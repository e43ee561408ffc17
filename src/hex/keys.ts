/** The RSA keys that sign registries, in the PEM forms that Hex's tools read and write. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { trimEnd } from "../text.ts";

/**
 * The key that signs hex.pm's registry, as every Hex client has it built in. Source: https://hex.pm/docs/public_keys;
 * its fingerprint there is SHA256:O1LOYhHFW4kcrblKAxROaDEzLD8bn1seWbe5tq8TRsk, which a test compares.
 */
export const hexpmPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApqREcFDt5vV21JVe2QNB
Edvzk6w36aNFhVGWN5toNJRjRJ6m4hIuG4KaXtDWVLjnvct6MYMfqhC79HAGwyF+
IqR6Q6a5bbFSsImgBJwz1oadoVKD6ZNetAuCIK84cjMrEFRkELtEIPNHblCzUkkM
3rS9+DPlnfG8hBvGi6tvQIuZmXGCxF/73hU0/MyGhbmEjIKRtG6b0sJYKelRLTPW
XgK7s5pESgiwf2YC/2MGDXjAJfpfCd0RpLdvd4eRiXtVlE9qO9bND94E7PgQ/xqZ
J1i2xWFndWa6nfFnRxZmCStCOZWYYPlaxr+FZceFbpMwzTNs4g3d4tLNUcbKAIH4
0wIDAQAB
-----END PUBLIC KEY-----
`;

/**
 * The key that signs the lists of installers at builds.hex.pm, as Mix has it built in up to Elixir 1.18. Source:
 * lib/mix/lib/mix/local.ex there (`Mix.PublicKey` before 1.15).
 */
export const mixPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAslPz1mAfyAvRv8W8xOdv
HQMbDJkDKfRhsL4JBGwGH7qw0xh+TbaUlNaM3pF+i8VUjS/4FeXjT/OAUEAHu5Y2
rBVlx00QcH8Dpbyf+H73XiCs0MXnTSecqDgzx6i6NMi8knklHT7yHySHtuuPmPuN
Po8QTKolCKftwPE/iNDeyZfwufd+hTCoCQdoTVcB01SElfNtvKRtoKbx35q80IPr
rOcGsALmr58+bWqCTY/51kFeRxzrPJ5LdcLU/AebyWddD4IUfPDxk16jTiCagMWA
JPSwo8NUrWDIBbD+rEUp06y0ek276rG5Tzm/3Bma56RN/u6nAqBTBE8F2Hu2QBKj
lQIDAQAB
-----END PUBLIC KEY-----
`;

/** A new RSA 2048 key as PKCS#8 PEM. */
export function generatePrivateKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** @param pem PKCS#1 or PKCS#8 @param where named in the error @throws MirrorError `config` */
export function readPrivateKey(pem: string, where: string): KeyObject {
  return readRsaKey(() => createPrivateKey(pem), "private", where);
}

/** @param pem `PUBLIC KEY` or `RSA PUBLIC KEY` @param where named in the error @throws MirrorError `config` */
export function readPublicKey(pem: string, where: string): KeyObject {
  return readRsaKey(() => createPublicKey(pem), "public", where);
}

function readRsaKey(read: () => KeyObject, kind: string, where: string): KeyObject {
  let key: KeyObject | undefined;
  let cause: unknown;
  try {
    key = read();
  } catch (error) {
    cause = error;
  }
  if (key?.asymmetricKeyType === "rsa") return key;
  throw new MirrorError("config", `${where} holds no RSA ${kind} key in PEM format`, { cause });
}

/** The public half as Hex's tools write it: PKCS#1 `RSA PUBLIC KEY`, with the empty line at the end that they add. */
export function publicKeyPem(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  // Through SPKI, since Node 24 cannot write as PKCS#1 what it has read as PKCS#1 ("Failed to encode public key").
  const spki = publicKey.export({ type: "spki", format: "der" });
  const again = createPublicKey({ key: spki, type: "spki", format: "der" });
  return `${again.export({ type: "pkcs1", format: "pem" }).toString()}\n`;
}

/** As Hex shows it: `SHA256:` and the base64 of a hash over the key in ssh's encoding (RFC 4253, section 6.6). */
export function fingerprint(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const { n = "", e = "" } = publicKey.export({ format: "jwk" });
  const parts = [Buffer.from("ssh-rsa"), sshInteger(e), sshInteger(n)];
  const hash = createHash("sha256");
  for (const part of parts) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    hash.update(length).update(part);
  }
  return `SHA256:${trimEnd(hash.digest("base64"), "=")}`;
}

/** RFC 4251 mpint: big-endian, with a zero byte in front where the first bit would read as a sign. */
function sshInteger(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, "base64url");
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
}
