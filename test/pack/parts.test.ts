import { describe, expect, test } from "vitest";
import { inRepository, isOfOtherRepository, isPart, layerOf } from "../../src/pack/parts.ts";

describe("a mirror that travels", () => {
  test.each([
    ["hex/tarballs/jason-1.4.1.tar", /^tarballs-\d\d$/],
    ["hex/docs/jason-1.4.1.tar.gz", /^tarballs-\d\d$/],
    ["hex/tarballs/jason-1.4.1+build.tar", /^tarballs-\d\d$/],
    ["hex/repos/acme/tarballs/secret-1.0.0.tar", /^tarballs-\d\d$/],
    ["hex/installs/1.17.0/hex-2.2.1-otp-27.ez", /^installs$/],
    ["hex/installs/hex-1.x.csv", /^installs$/],
    ["files/github.com/owner/repo/releases/download/v1/tool", /^files-\d\d$/],
    ["hex/packages/jason", /^records-\d\d$/],
    ["upstream/hexpm/packages/jason", /^records-\d\d$/],
    ["upstream/hexpm/repos/acme/packages/jason", /^records-\d\d$/],
    ["history/hexpm/jason.jsonl", /^records-\d\d$/],
    ["hex/names", /^lists$/],
    ["hex/repos/acme/policies/strict", /^lists$/],
    ["upstream/hexpm/validators.json", /^lists$/],
    ["locks/my app.json", /^lists$/],
    ["mirror.json", /^lists$/],
  ])("%s has its layer", (path, layer) => {
    expect(layerOf(path)).toMatch(layer);
    expect(isPart(path)).toBe(true);
  });

  test("all of a package is in one layer, whatever its version", () => {
    const layers = ["jason-1.0.0", "jason-1.4.1", "jason-2.0.0-rc.1"].map((name) =>
      layerOf(`hex/tarballs/${name}.tar`),
    );
    expect(new Set([...layers, layerOf("hex/docs/jason-1.0.0.tar.gz")]).size).toBe(1);
  });

  test.each([
    "private_key.pem",
    ".lock/last-sync",
    "quarantine/x",
    "hex/private_key.pem",
    "hex/tarballs/.jason.tar.tmp-1",
    "hex/tarballs/../../x.tar",
    "hex/installs/../private_key.pem",
    "files/../x",
    "files/github.com/.wh.x",
    "locks/.wh.app.json",
    "certs/ca.key",
    "etc/passwd",
    "git/github.com/owner/repo.git/hooks/post-upload",
    "git/github.com/owner/repo.git/HEAD.lock",
    "git/github.com/owner/repo.git/objects/pack/tmp_pack_1",
    "git/github.com/owner/repo.git/refs/../../x",
    "git/github.com/owner/repo.git/commondir",
    "git/HEAD",
  ])("%s is no part of it", (path) => {
    expect(isPart(path)).toBe(false);
  });

  test("a repository's files are told from what passes in it", () => {
    const name = "git/github.com/owner/.github.git";
    expect(inRepository(`${name}/objects/pack/pack-1.pack`)).toEqual({
      repository: "github.com/owner/.github.git",
      file: "objects/pack/pack-1.pack",
    });
    expect(inRepository(`${name}/lfs/objects/aa/bb/aabb`)).toBeDefined();
    expect(inRepository(`${name}/logs/HEAD`)).toBeUndefined();
  });

  test.each([
    ["hex/repos/acme/names", true],
    ["upstream/hexpm/repos/acme/packages/x", true],
    ["upstream/other/packages/x", true],
    ["upstream/_mirror/packages/x", true],
    ["history/hexpm/repos/acme/x.jsonl", true],
    ["added/local/x.jsonl", true],
    ["added/hexpm/x.jsonl", false],
    ["upstream/hexpm/packages/x", false],
    ["upstream/installers.json", false],
    ["hex/packages/x", false],
  ])("%s is of another Hex repository than hexpm: %s", (path, isOther) => {
    expect(isOfOtherRepository(path)).toBe(isOther);
  });
});
