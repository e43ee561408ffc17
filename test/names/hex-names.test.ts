import { expect, test } from "vitest";
import { isPackageName, isRepositoryName } from "../../src/names/hex-names.ts";

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
