import { create, toBinary, fromBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { PackageSchema } from "../../src/hex/gen/registry_pb.ts";
import { decodePackage, encodePackage } from "../../src/hex/records.ts";

test("fields and enumeration values of tomorrow survive decode and encode", () => {
  const message = create(PackageSchema, {
    name: "pkg",
    repository: "hexpm",
    releases: [
      {
        version: "1.0.0",
        innerChecksum: new Uint8Array([1]),
        outerChecksum: new Uint8Array([2]),
        retired: { reason: 99, message: "of a kind that does not exist yet" },
        publishedAt: { seconds: 1_700_000_000n, nanos: 5 },
      },
    ],
  });
  const tomorrow = new BinaryWriter().tag(900, WireType.LengthDelimited).string("new").finish();
  const bytes = new Uint8Array(Buffer.concat([toBinary(PackageSchema, message), tomorrow]));
  const decoded = decodePackage(bytes);
  expect(decoded.releases[0]?.retired?.reason).toBe(99);
  const again = fromBinary(
    PackageSchema,
    encodePackage({ name: "pkg", repository: "hexpm", releases: decoded.releases }, decoded),
  );
  expect(again.$unknown?.map(({ no }) => no)).toEqual([900]);
  expect(again.releases).toEqual(decoded.releases);
});

test("a record of more fields than any has is refused before anything is made of them", () => {
  // Two bytes are an empty release, and three an empty dependency's beginning.
  const releases = Buffer.alloc(1_200_000, Buffer.from([0x0a, 0x00]));
  const refused = /not a registry's package record/;
  expect(() => decodePackage(releases)).toThrow(refused);
  const dependencies = Buffer.alloc(1_200_000, Buffer.from([0x1a, 0x00]));
  const inOne = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(dependencies).finish();
  expect(() => decodePackage(inOne)).toThrow(refused);
  const advisories = Buffer.alloc(1_200_000, Buffer.from([0x30, 0x01]));
  expect(() => decodePackage(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(advisories).finish())).toThrow(
    refused,
  );
});

test("what is no record is refused", () => {
  expect(() => decodePackage(Buffer.from("not a record"))).toThrow(/not a registry's package record/);
});
