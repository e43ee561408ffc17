import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  fingerprint,
  generatePrivateKey,
  hexpmPublicKey,
  publicKeyPem,
  readPrivateKey,
  readPublicKey,
} from "../../src/hex/keys.ts";
import { unwrap, verifyAndUnwrap, wrap } from "../../src/hex/signed.ts";

const key = readPrivateKey(generatePrivateKey(), "test");
const other = readPrivateKey(generatePrivateKey(), "test");
const payload = Buffer.from("payload");

describe("a signed resource", () => {
  test("comes back as it was wrapped, for the key's public half too", async () => {
    const publicKey = readPublicKey(publicKeyPem(key), "test");
    expect(Buffer.from(verifyAndUnwrap(await wrap(payload, key), publicKey))).toEqual(payload);
  });

  test("is the same bytes each time", async () => {
    expect(await wrap(payload, key)).toEqual(await wrap(payload, key));
  });

  test("is refused when another key signed it", async () => {
    const signed = await wrap(payload, other);
    expect(() => verifyAndUnwrap(signed, key)).toThrow(/not signed by the expected key/);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["plain text", Buffer.from("<html>502 Bad Gateway</html>")],
    ["gzipped noise", gzipSync("noise")],
  ])("is refused when it is %s", (_, bytes) => {
    expect(() => unwrap(bytes)).toThrow(/not a signed registry resource/);
  });

  test("keeps nothing of what it does not know, however much of that there is", () => {
    // Two bytes are a field, which would be an object.
    const bytes = gzipSync(Buffer.alloc(24 * 1024 * 1024, Buffer.from([0x18, 0x00])));
    const before = process.memoryUsage().heapUsed;
    expect(unwrap(bytes).payload).toHaveLength(0);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(256 * 1024 * 1024);
  });

  test("is refused when it would unpack to more than memory should hold", () => {
    expect(() => unwrap(gzipSync(Buffer.alloc(300 * 1024 * 1024)))).toThrow(/not a signed registry resource/);
  });
});

describe("keys", () => {
  test("hex.pm's pinned key has the fingerprint that hex.pm publishes", () => {
    expect(fingerprint(readPublicKey(hexpmPublicKey, "pinned"))).toBe(
      "SHA256:O1LOYhHFW4kcrblKAxROaDEzLD8bn1seWbe5tq8TRsk",
    );
  });

  test("are read from PKCS#1 and PKCS#8 PEM", () => {
    const pkcs1 = key.export({ type: "pkcs1", format: "pem" }).toString();
    expect(publicKeyPem(readPrivateKey(pkcs1, "k"))).toBe(publicKeyPem(key));
  });

  test("public ones are written as they were read", () => {
    const pem = publicKeyPem(key);
    expect(publicKeyPem(readPublicKey(pem, "k"))).toBe(pem);
  });

  test("that are none are refused by name", () => {
    expect(() => readPrivateKey("nonsense", "my.pem")).toThrow("my.pem holds no RSA private key in PEM format");
    expect(() => readPublicKey("nonsense", "my.pem")).toThrow("my.pem holds no RSA public key in PEM format");
  });
});
