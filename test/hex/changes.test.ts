/** Upstream's record of a package goes forward: what it may lose or replace, when, and what people are told. */
import { describe, expect, test } from "vitest";
import { compareRecords, type ChangeInput } from "../../src/hex/changes.ts";
import { createPackage, type Package } from "../../src/hex/records.ts";

const now = Date.parse("2026-11-25T12:00:00Z");
const hours = (count: number) => now - count * 3_600_000;

interface Given {
  readonly version: string;
  readonly at?: number;
  readonly sum?: string;
  readonly retired?: { readonly reason: number; readonly message: string };
}

function record(releases: readonly Given[], advisories: readonly string[] = []): Package {
  return createPackage({
    name: "jason",
    repository: "hexpm",
    advisories: advisories.map((id) => ({ id })),
    releases: releases.map(({ at, sum = "aa", ...release }) => ({
      ...release,
      innerChecksum: Buffer.alloc(32),
      outerChecksum: Buffer.from(sum.repeat(32), "hex"),
      ...(at === undefined ? {} : { publishedAt: { seconds: BigInt(Math.floor(at / 1000)), nanos: 0 } }),
    })),
  });
}

const compare = (before: Package | undefined, after: Package, more: Partial<ChangeInput> = {}) =>
  compareRecords({
    name: "jason",
    before,
    isHeld: before !== undefined,
    after,
    history: [],
    isHexpm: true,
    locked: new Map(),
    accepted: { lost: false, replaced: new Set() },
    now,
    ...more,
  });

const one = { version: "1.0.0", at: hours(1000) };
const locked = (version: string, ...sums: string[]) => new Map([[version, new Set(sums.map((sum) => sum.repeat(32)))]]);

test("a record that only grew is taken, and nothing is told", () => {
  const grown = record([one, { version: "1.1.0", at: hours(1) }]);
  expect(compare(record([one]), grown)).toEqual({ refused: undefined, told: [], lost: [], replaced: [] });
  expect(compare(undefined, grown)).toEqual({ refused: undefined, told: [], lost: [], replaced: [] });
});

describe("a release that is gone", () => {
  const rest = record([one]);
  const before = (at: number | undefined) => record([one, { version: "1.1.0", ...(at === undefined ? {} : { at }) }]);
  const seen = (day: string) => [{ version: "1.1.0", checksum: "aa".repeat(32), seen: day }];

  test.each([
    ["published two days ago", hours(48), []],
    ["of which nobody knows how old it is", undefined, []],
    ["first seen last week", undefined, seen("2026-11-18")],
  ])("%s, is not given up by hexpm", (_, at, history) => {
    const { refused } = compare(before(at), rest, { history });
    expect(refused).toContain("lost 1.1.0, and it is older than a day; to take that, --accept-changed jason");
  });

  test.each([
    ["published an hour ago", hours(1), []],
    ["first seen today", undefined, seen("2026-11-25")],
  ])("%s, is what hex.pm lets authors do", (_, at, history) => {
    expect(compare(before(at), rest, { history })).toMatchObject({
      refused: undefined,
      lost: ["1.1.0"],
      told: ["upstream took back jason 1.1.0"],
    });
  });

  test("and that a lock names is never given up, in organisations neither", () => {
    for (const isHexpm of [true, false]) {
      const { refused } = compare(before(hours(1)), rest, { isHexpm, locked: locked("1.1.0") });
      expect(refused).toContain("lost 1.1.0, and a lock names it");
    }
  });

  test("in an organisation is its owner's affair, and told", () => {
    expect(compare(before(hours(1000)), rest, { isHexpm: false })).toMatchObject({
      refused: undefined,
      lost: ["1.1.0"],
    });
  });

  test("is given up by whoever says so", () => {
    const accepted = { lost: true, replaced: new Set<string>() };
    const changes = compare(before(hours(1000)), rest, { accepted, locked: locked("1.1.0") });
    expect(changes).toMatchObject({ refused: undefined, lost: ["1.1.0"] });
  });
});

describe("a release with other bytes", () => {
  const old = record([one]);
  const other = record([{ ...one, sum: "bb" }]);
  const young = { version: "1.0.0", at: hours(1) };

  test("is refused when it is older than a day", () => {
    expect(compare(old, other).refused).toContain("to take them, --accept-changed jason@1.0.0");
    expect(compare(old, other, { isHexpm: false }).refused).toContain("it is older than a day");
  });

  test("is taken and told when it is young and no lock names the one before", () => {
    const after = record([{ ...young, sum: "bb" }]);
    expect(compare(record([young]), after)).toMatchObject({ refused: undefined, replaced: ["1.0.0"] });
    expect(compare(record([young]), after, { locked: locked("1.0.0", "bb") }).refused).toBeUndefined();
    expect(compare(record([young]), after, { locked: locked("1.0.0", "aa") }).refused).toContain(
      "a lock names the one before",
    );
  });

  test("is refused, too, where only the history knows what it was", () => {
    const known = (seen: string) => ({ history: [{ version: "1.0.0", checksum: "aa".repeat(32), seen }] });
    expect(compare(undefined, other, known("2020-01-01")).refused).toContain("replaced jason 1.0.0");
    const young = record([{ version: "1.0.0", sum: "bb" }]);
    expect(compare(undefined, young, known("2026-11-25")).refused).toBeUndefined();
    // Upstream itself says that it is old.
    expect(compare(undefined, other, known("2026-11-25")).refused).toContain("it is older than a day");
    // A date of tomorrow makes nothing young.
    expect(compare(undefined, other, known("2099-01-01")).refused).toContain("replaced jason 1.0.0");
    expect(compare(undefined, old, known("2020-01-01")).refused).toBeUndefined();
  });

  test("is taken by whoever names the version; naming the package is not enough", () => {
    const accept = (lost: boolean, ...versions: string[]) => ({ accepted: { lost, replaced: new Set(versions) } });
    expect(compare(old, other, accept(false, "1.0.0"))).toMatchObject({ refused: undefined, replaced: ["1.0.0"] });
    expect(compare(old, other, accept(true)).refused).toContain("--accept-changed jason@1.0.0");
    expect(compare(old, other, accept(false, "1.0.1")).refused).toContain("--accept-changed jason@1.0.0");
  });

  test("cannot hide behind the first of two entries of one version", () => {
    expect(compare(old, record([one, { ...one, sum: "bb" }])).refused).toContain("lists 1.0.0 twice");
  });
});

test("a retirement and an advisory that are gone are told", () => {
  const before = record([{ ...one, retired: { reason: 2, message: "hole" } }], ["GHSA-1", "GHSA-2"]);
  expect(compare(before, record([one], ["GHSA-2"])).told).toEqual([
    "jason 1.0.0 is retired no more",
    "the advisory GHSA-1 of jason is gone",
  ]);
});
