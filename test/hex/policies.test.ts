import { describe, expect, test } from "vitest";
import { decodePolicy, encodePolicy } from "../../src/hex/policies.ts";
import { ownPolicy } from "../../src/policy-setting.ts";

const whole = {
  name: "strict",
  description: "what the team agreed on",
  cooldown: "7d",
  advisories: "high",
  retired: ["security", "invalid"],
  deny: [{ package: "left_pad", requirement: "< 2.0.0", reason: "hijacked" }],
  allow: [{ package: "phoenix", reason: "reviewed" }],
  except: [
    { package: "plug", advisory: "GHSA-1234", reason: "not reachable" },
    { package: "plug", requirement: "~> 1.0", retired: "invalid", reason: "works here" },
    { package: "jason", cooldown: true, reason: "ours" },
  ],
  repositories: { "hexpm:acme": { deny: [{ package: "old", reason: "gone" }] } },
};

describe("a policy of the configuration", () => {
  test("says in Hex's message what it says there", () => {
    const { repository, name, text } = ownPolicy.parse(whole);
    expect([repository, name]).toEqual(["local", "strict"]);
    const plain = JSON.parse(
      JSON.stringify(decodePolicy(encodePolicy(text)), (key, value: unknown) =>
        key === "$typeName" ? undefined : value,
      ),
    );
    expect(plain).toEqual({
      repository: "local",
      name: "strict",
      description: "what the team agreed on",
      visibility: 1,
      repositories: [
        {
          repository: "hexpm",
          restriction: { advisoryMinSeverity: 3, retirementReasons: [2, 1], cooldown: "7d" },
          overrides: [
            { action: 1, ref: { package: "left_pad", requirement: "< 2.0.0" }, comment: "hijacked" },
            { action: 0, ref: { package: "phoenix" }, comment: "reviewed" },
            { action: 2, ref: { package: "plug" }, advisoryId: "GHSA-1234", comment: "not reachable" },
            { action: 3, ref: { package: "plug", requirement: "~> 1.0" }, retirementReason: 1, comment: "works here" },
            { action: 4, ref: { package: "jason" }, comment: "ours" },
          ],
        },
        {
          repository: "acme",
          restriction: { retirementReasons: [] },
          overrides: [{ action: 1, ref: { package: "old" }, comment: "gone" }],
        },
      ],
    });
  });

  // Hex passes over what it does not take: a rule that was mistyped would protect nobody.
  test.each([
    [{ cooldown: "7 days" }, "cooldown"],
    [{ cooldown: "+7d" }, "cooldown"],
    [{ advisories: "severe" }, "advisories"],
    [{ retired: ["old"] }, "retired.0"],
    [{ deny: [{ package: "left_pad" }] }, "deny.0.reason"],
    [{ deny: [{ package: "left_pad", reason: " " }] }, "deny.0.reason"],
    [{ deny: [{ package: "left_pad", reason: "two\nlines" }] }, "deny.0.reason"],
    [{ deny: [{ package: "left_pad", reason: "hidden \u200b space" }] }, "deny.0.reason"],
    [{ deny: [{ package: "left_pad", reason: "x".repeat(501) }] }, "deny.0.reason"],
    [{ deny: [{ package: "left_pad", requirement: ">= 2", reason: "x" }] }, "deny.0.requirement"],
    [{ deny: [{ package: "Left Pad", reason: "x" }] }, "deny.0.package"],
    [{ deny: [{ package: "left_pad", version: "1.0.0", reason: "x" }] }, "deny.0"],
    [{ except: [{ package: "plug", reason: "x" }] }, "except.0"],
    [{ except: [{ package: "plug", advisory: "A", cooldown: true, reason: "x" }] }, "except.0"],
    [{ name: "hexpm/strict" }, "name"],
    [{ name: "hexpm:acme/strict" }, "name"],
    [{ name: "../strict" }, "name"],
    [{ denied: [] }, ""],
    [{ repositories: { "no name": {} } }, "repositories.no name"],
  ])("%j is refused at %j", (wrong, where) => {
    const { error } = ownPolicy.safeParse(wrong);
    expect(error?.issues[0]?.path.join(".")).toBe(where);
  });

  test("nothing but a policy is read", () => {
    expect(() => decodePolicy(Buffer.from("no policy"))).toThrow(/not a dependency policy/);
    expect(() => decodePolicy(Buffer.alloc(2 * 1024 * 1024, Buffer.from([0x2a, 0])))).toThrow(
      /not a dependency policy/,
    );
  });
});
