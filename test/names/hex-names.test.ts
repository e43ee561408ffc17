import { expect, test } from "vitest";
import { compareVersions, isPackageName, isRepositoryName, isVersion } from "../../src/names/hex-names.ts";

test.each(["jason", "a", "cowboy_telemetry", "rustler_precompiled", "x509"])("%s is a package name", (name) => {
  expect(isPackageName(name)).toBe(true);
});

test.each(["", "../../etc", "a/b", "a-b", "a.b", "1a", "a\0", "a\n", "_a", "é", "a".repeat(300)])(
  "%j is no package name",
  (name) => {
    expect(isPackageName(name)).toBe(false);
  },
);

test("repository names may have one organisation", () => {
  expect(["hexpm", "acme", "hexpm:acme", "my-repo"].every(isRepositoryName)).toBe(true);
  expect(["", "hexpm:", ":a", "a:b:c", "../x", "hexpm:../x", "a/b"].some(isRepositoryName)).toBe(false);
});

test("versions are strict SemVer", () => {
  expect(["1.0.0", "0.0.1-rc.1", "1.9.2+build.7", "1.0.0-alpha+001"].every(isVersion)).toBe(true);
  expect(["", "1", "1.0", "v1.0.0", "=1.0.0", " 1.0.0", "01.0.0", "1.0.0/..", "1.0.0\0"].some(isVersion)).toBe(false);
});

test("versions order by SemVer, with build metadata last", () => {
  const versions = ["1.10.0", "1.9.2+build.7", "1.9.2", "0.9.0", "1.0.0", "1.0.0-rc.1"];
  expect(versions.sort(compareVersions)).toEqual(["0.9.0", "1.0.0-rc.1", "1.0.0", "1.9.2", "1.9.2+build.7", "1.10.0"]);
});
