import { expect, test } from "vitest";
import { compareVersions, isRequirement, isVersion } from "../../src/names/versions.ts";

test.each([
  "1.0.0",
  "0.0.1-rc.1",
  "1.9.2+build.7",
  "1.0.0-alpha+001",
  "2024.1.20240131120000123",
  "1.0.0--",
  "1.0.0-0a.-1",
  "1.0.0-20240131120000123456789",
])("%s is a version", (version) => {
  expect(isVersion(version)).toBe(true);
});

test.each(["", "1", "1.0", "v1.0.0", "=1.0.0", " 1.0.0", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "1.0.0-a..b"])(
  "%j is no version",
  (version) => {
    expect(isVersion(version)).toBe(false);
  },
);

test.each(["1.0.0/..", "1.0.0\0", "1.0.0\n", `1.0.${"9".repeat(300)}`])("%j is none either", (version) => {
  expect(isVersion(version)).toBe(false);
});

test("versions order as SemVer says, with build metadata last", () => {
  const ordered = [
    "0.9.0",
    "1.0.0-1",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.9.2",
    "1.9.2+build.7",
    "1.9.2+build.10",
    "1.10.0",
    "2024.1.9007199254740993",
    "2024.1.20240131120000123",
    "2024.1.20240131120000124",
  ];
  expect(ordered.toReversed().sort(compareVersions)).toEqual(ordered);
  expect(compareVersions("1.0.0", "1.0.0")).toBe(0);
});

// As Elixir's Version.parse_requirement takes them; what it does not take, Hex passes over.
test.each([
  ["~> 1.0", true],
  ["1.0.0", true],
  ["> 1.0.0", true],
  [">=1.0.0", true],
  [">= 1.0.0 and < 2.0.0", true],
  [">= 1.0.0 or ~> 3.1", true],
  ["~> 1.0 and ~> 2.0 or 3.0.0", true],
  ["  ~>  1.0 ", true],
  ["~> 1.0-rc", true],
  ["~> 1.0.0-rc.1", true],
  [">= 1.0", false],
  ["== 1.0", false],
  ["~> 1", false],
  ["1.0", false],
  ["*", false],
  ["", false],
  ["< 2.0.0, > 1.0.0", false],
  ["> 1.0.0 < 2.0.0", false],
  [">= 1.0.0 and", false],
  [">= 1.0.0and< 2.0.0", false],
  ["== 01.0.0", false],
  ["~> 1.0.0.0", false],
  ["=1.0.0", false],
  ["> 1.0.0 AND < 2.0.0", false],
])("the requirement %j: %j", (requirement, isOne) => {
  expect(isRequirement(requirement)).toBe(isOne);
});
