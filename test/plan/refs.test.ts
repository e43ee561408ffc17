import { expect, test } from "vitest";
import type { GitOptions } from "../../src/lock/entries.ts";
import { refsWanted } from "../../src/plan/refs.ts";

const entries = (...options: GitOptions[]) =>
  options.map((each) => ({ lock: "l", app: "a", revision: "1".repeat(40), options: each }));
const locked = { refs: "locked", shallow: false } as const;

test("all heads and tags, unless asked otherwise", () => {
  expect(refsWanted(entries({ depth: 1 }), { refs: "all", shallow: false }).kind).toBe("all");
});

test.each([
  [{ branch: "dev" }, ["refs/heads/dev"], false],
  [{ tag: "v1" }, ["refs/tags/v1"], false],
  [{ ref: "1".repeat(40) }, [], false],
  [{ ref: "v2" }, ["refs/heads/v2", "refs/tags/v2"], false],
  [{}, [], true],
])("locked: %j", (options, names, defaultBranch) => {
  expect(refsWanted(entries(options), locked)).toEqual({ kind: "locked", names, defaultBranch });
});

test("what any entry names is wanted", () => {
  expect(refsWanted(entries({ branch: "b" }, { tag: "t" }, {}), locked)).toEqual({
    kind: "locked",
    names: ["refs/heads/b", "refs/tags/t"],
    defaultBranch: true,
  });
});

test("shallow only where every entry has a depth: others could not use it", () => {
  const policy = { refs: "all", shallow: true } as const;
  expect(refsWanted(entries({ depth: 1, tag: "t" }, { depth: 1 }), policy).kind).toBe("shallow");
  expect(refsWanted(entries({ depth: 1 }, { branch: "b" }), policy).kind).toBe("all");
});
