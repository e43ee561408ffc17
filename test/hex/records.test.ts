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

test("what is no record is refused", () => {
  expect(() => decodePackage(Buffer.from("not a record"))).toThrow(/not a registry's package record/);
});
