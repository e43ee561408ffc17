import { describe, expect, test } from "vitest";
import { createRelease, decodeNames, decodePackage, decodeVersions, type Package } from "../../src/hex/records.ts";
import { create } from "@bufbuild/protobuf";
import { PackageSchema } from "../../src/hex/gen/registry_pb.ts";
import { readTarball } from "../../src/hex/tarball.ts";
import { buildRegistry } from "../support/registry.ts";
import { makeTarball, type PackageSource } from "../support/tarballs.ts";

const held = (source: PackageSource) => readTarball(makeTarball(source).bytes);
const decode = (registry: ReturnType<typeof buildRegistry>, name: string) =>
  decodePackage(registry.resources.get(`packages/${name}`) ?? new Uint8Array());

function upstreamRecord(releases: ReturnType<typeof held>[]): Package {
  return create(PackageSchema, {
    name: "pkg",
    repository: "hexpm",
    advisories: [
      { id: "A-0", summary: "zero" },
      { id: "A-1", summary: "one" },
    ],
    releases: releases.map((release, index) =>
      createRelease({
        version: release.metadata.version,
        innerChecksum: release.innerChecksum,
        outerChecksum: release.outerChecksum,
        ...(index === 0 ? { retired: { reason: 2, message: "insecure" }, advisoryIndexes: [1] } : {}),
        publishedAt: { seconds: BigInt(1_700_000_000 - index), nanos: 0 },
      }),
    ),
  });
}

describe("a release that upstream described", () => {
  const first = held({ name: "pkg", version: "1.0.0" });
  const second = held({ name: "pkg", version: "1.1.0" });
  const third = held({ name: "pkg", version: "2.0.0" });
  const upstream = new Map([["pkg", upstreamRecord([first, second, third])]]);

  test("keeps its retirement, advisories and time of publication; what is not held is not listed", () => {
    const registry = buildRegistry({ repository: "hexpm", releases: [second, first], upstream });
    const record = decode(registry, "pkg");
    expect(record.releases.map(({ version }) => version)).toEqual(["1.0.0", "1.1.0"]);
    expect(record.releases[0]?.retired?.message).toBe("insecure");
    expect(record.advisories[record.releases[0]?.advisoryIndexes[0] ?? 0]?.id).toBe("A-1");
    const versions = decodeVersions(registry.resources.get("versions") ?? new Uint8Array());
    expect(versions.packages[0]).toMatchObject({ versions: ["1.0.0", "1.1.0"], retired: [0], withAdvisories: [0] });
    const names = decodeNames(registry.resources.get("names") ?? new Uint8Array());
    expect(names.packages[0]?.updatedAt?.seconds).toBe(1_700_000_000n);
  });

  test("is refused, and told, when its tarball is another", () => {
    const swapped = held({ name: "pkg", version: "1.0.0", files: { "evil.erl": "boo" } });
    const registry = buildRegistry({ repository: "hexpm", releases: [swapped, second], upstream });
    expect(registry.differing).toEqual([
      { name: "pkg", version: "1.0.0", reason: "the tarball is not the one that upstream signed" },
    ]);
    expect(decode(registry, "pkg").releases.map(({ version }) => version)).toEqual(["1.1.0"]);
  });
});

test("optional dependencies that are not held get records without releases, unlisted", () => {
  const registry = buildRegistry({
    repository: "hexpm",
    upstream: new Map(),
    releases: [
      held({
        name: "pkg",
        version: "1.0.0",
        requirements: [
          { name: "maybe", requirement: "~> 1.0", optional: true },
          { name: "needed", requirement: "~> 1.0" },
        ],
      }),
    ],
  });
  expect(decode(registry, "maybe")).toMatchObject({ name: "maybe", repository: "hexpm", releases: [] });
  expect(registry.resources.has("packages/needed")).toBe(false);
  const names = decodeNames(registry.resources.get("names") ?? new Uint8Array());
  expect(names.packages.map(({ name }) => name)).toEqual(["pkg"]);
});

test("the order of the input does not matter", () => {
  const releases = ["1.0.0", "1.10.0", "1.2.0"].map((version) => held({ name: "pkg", version }));
  const build = (input: typeof releases) => [
    ...buildRegistry({ repository: "hexpm", releases: input, upstream: new Map() }).resources,
  ];
  expect(build([...releases].reverse())).toEqual(build(releases));
});

test("an empty mirror has an empty registry", () => {
  const { resources } = buildRegistry({ repository: "hexpm", releases: [], upstream: new Map() });
  expect([...resources.keys()]).toEqual(["names", "versions"]);
});
