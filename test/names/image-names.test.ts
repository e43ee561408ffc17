import { expect, test } from "vitest";
import { isImageName } from "../../src/names/image-names.ts";
import { fullNameOf, tagOf } from "../../src/pack/image.ts";

test.each([
  ["mirror:latest", "docker.io/library/mirror:latest", "latest"],
  ["team/mirror:1.0", "docker.io/team/mirror:1.0", "1.0"],
  ["registry.corp.example/mirror:1", "registry.corp.example/mirror:1", "1"],
  ["localhost:5000/a/b-c__d:V_1", "localhost:5000/a/b-c__d:V_1", "V_1"],
  ["registry:5000/mirror:1", "registry:5000/mirror:1", "1"],
])("%s is %s in full", (name, full, tag) => {
  expect([isImageName(name), fullNameOf(name), tagOf(name)]).toEqual([true, full, tag]);
});

test("a tag alone is one, for who knows the rest", () => {
  expect(["v1", "latest", "1.0-rc.1"].every(isImageName)).toBe(true);
});

test.each([
  "",
  ":",
  "mirror:",
  ":1",
  "mirror:1:2",
  "Mirror:1",
  "registry.example//x:1",
  "registry.example:1:2",
  "a b:1",
  "-mirror:1",
  "mirror-:1",
  "mirror/:1",
  "mirror:.1",
  `mirror:${"x".repeat(129)}`,
  `${"x".repeat(300)}:1`,
])("%s is none", (name) => {
  expect(isImageName(name)).toBe(false);
});
