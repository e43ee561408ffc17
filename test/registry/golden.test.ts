/** The oracle: a registry that the real `mix hex.registry build --name=hexpm` wrote from the same tarballs and key. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publicKeyPem, readPrivateKey } from "../../src/hex/keys.ts";
import { decodeNames, encodeNames } from "../../src/hex/records.ts";
import { isSignedBy, unwrap, verifyAndUnwrap, wrap } from "../../src/hex/signed.ts";
import { readTarball } from "../../src/hex/tarball.ts";
import { buildRegistry } from "../support/registry.ts";
import { fixtures } from "../support/folder.ts";

const golden = join(fixtures, "golden");
const key = readPrivateKey(await readFile(join(golden, "private_key.pem"), "utf8"), "golden key");
const files = await readdir(join(golden, "hex/tarballs"));
const releases = await Promise.all(
  files.map(async (file) => readTarball(await readFile(join(golden, "hex/tarballs", file)))),
);
const registry = buildRegistry({ repository: "hexpm", releases, upstream: new Map() });
const theirs = async (resource: string) => verifyAndUnwrap(await readFile(join(golden, "hex", resource)), key);
const ours = (resource: string) => registry.resources.get(resource) ?? new Uint8Array();

test("lists the same resources", async () => {
  const packages = (await readdir(join(golden, "hex/packages"))).map((name) => `packages/${name}`);
  expect([...registry.resources.keys()].sort()).toEqual([...packages, "names", "versions"].sort());
});

test.each(["versions", "packages/alder", "packages/birch", "packages/cedar_web", "packages/dogwood", "packages/elm"])(
  "%s has the same payload, byte for byte",
  async (resource) => {
    expect(Buffer.from(ours(resource))).toEqual(Buffer.from(await theirs(resource)));
  },
);

test("names has the same payload but for updated_at", async () => {
  // Hex takes it from the tarballs' mtimes, which say when a file was copied. Ours is upstream's time of publication,
  // and absent where that is unknown, as here.
  const { packages, repository } = decodeNames(await theirs("names"));
  const withoutTimes = encodeNames({ packages: packages.map(({ name }) => ({ name })), repository });
  expect(Buffer.from(ours("names"))).toEqual(Buffer.from(withoutTimes));
});

test("public_key is the same file", async () => {
  expect(publicKeyPem(key)).toBe(await readFile(join(golden, "hex/public_key"), "utf8"));
});

test("what we sign has the very signature that Hex made", async () => {
  const resource = unwrap(await wrap(await theirs("versions"), key));
  expect(isSignedBy(resource, key)).toBe(true);
  const signed = unwrap(await readFile(join(golden, "hex/versions")));
  expect(Buffer.from(resource.signature)).toEqual(Buffer.from(signed.signature));
});
