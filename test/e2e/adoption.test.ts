/** Only what upstream's record covers, or what a person adopted, is signed; and records go forward only. */
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createPublicKey } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { fingerprint, readPublicKey } from "../../src/hex/keys.ts";
import { createPackage, decodePackage } from "../../src/hex/records.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, makeTarball, mixLock, type MadeTarball } from "../support/tarballs.ts";

const evil = makeTarball({ name: "alpha", version: "1.0.1" });
const mine = makeTarball({ name: "mine", version: "0.1.0" });
const next = makeTarball({ name: "mine", version: "0.2.0" });

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});

const run = (...args: string[]) => mirrorHere(args, { cwd });
const mirror = (path: string) => join(cwd, ".mirror", path);

async function put(tarball: MadeTarball, registry = "hex"): Promise<void> {
  await mkdir(mirror(`${registry}/tarballs`), { recursive: true });
  await writeFile(mirror(`${registry}/tarballs/${tarball.name}-${tarball.version}.tar`), tarball.bytes);
}

/** The versions that our registry lists, as a client reads them. */
async function listed(name: string, registry = "hex"): Promise<string[]> {
  const key = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "public_key");
  const bytes = await readFile(mirror(`${registry}/packages/${name}`)).catch(() => undefined);
  return bytes === undefined ? [] : decodePackage(verifyAndUnwrap(bytes, key)).releases.map(({ version }) => version);
}

describe("what no upstream record covers", () => {
  test("is adopted as a whole where nothing is signed yet, and by name ever after", async () => {
    await put(mine);
    const first = await run("build");
    expect([first.code, first.stdout]).toEqual([
      0,
      expect.stringContaining("adopted 1 release that no upstream record covers: mine@0.1.0"),
    ]);
    await put(next);
    for (const command of [["build"], ["build", "--dry-run"]]) {
      const { code, stdout } = await run(...command);
      expect([code, stdout]).toEqual([
        1,
        expect.stringMatching(/left out mine 0\.2\.0: .*mirror-server build --adopt mine@0\.2\.0/),
      ]);
      expect(await listed("mine")).toEqual(["0.1.0"]);
    }
    expect((await run("verify")).stdout).toBe("");
    const adopted = await run("build", "--adopt", "mine@0.2.0");
    expect([adopted.code, await listed("mine")]).toEqual([0, ["0.1.0", "0.2.0"]]);
    // The signed record is the record of adoption.
    expect((await run("build")).stdout).toBe("registry: 1 packages, 2 releases; wrote 0 files\n");
    const gone = await run("build", "--adopt", "mine@9.9.9");
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining("no tarball of that release lies")]);
  });

  test("is not signed with other bytes, and what was signed stays, until the right ones are back", async () => {
    await put(mine);
    await run("build");
    const record = await readFile(mirror("hex/packages/mine"));
    for (const bytes of [
      makeTarball({ name: "mine", version: "0.1.0", files: { "mix.exs": "other" } }).bytes,
      Buffer.from("half"),
    ]) {
      await put({ ...mine, bytes });
      for (const command of [["build"], ["build"], ["build", "--dry-run"]]) {
        const { code, stdout } = await run(...command);
        expect([code, stdout]).toEqual([1, expect.stringContaining("left out mine 0.1.0: ")]);
        expect(await readFile(mirror("hex/packages/mine"))).toEqual(record);
      }
    }
    await put(mine);
    expect((await run("build")).code).toBe(0);
  });

  test("is adopted by name alone in a Hex repository that somebody added, and in one that became empty", async () => {
    await put(mine);
    await run("build");
    await put(next, "hex/repos/acme");
    expect((await run("build")).stdout).toContain("left out hexpm:acme/mine 0.2.0");
    expect((await run("build", "--adopt", "acme/mine@0.2.0")).code).toBe(0);
    expect([await listed("mine"), await listed("mine", "hex/repos/acme")]).toEqual([["0.1.0"], ["0.2.0"]]);
    // Naming one adopts one, also where nothing is signed.
    const fresh = join(cwd, "fresh/hex/tarballs");
    await mkdir(fresh, { recursive: true });
    for (const { name, version, bytes } of [mine, next]) await writeFile(join(fresh, `${name}-${version}.tar`), bytes);
    const one = await run("build", "--mirror", "fresh", "--adopt", "mine@0.1.0");
    expect([one.code, one.stdout]).toEqual([
      1,
      expect.stringContaining("adopted 1 release that no upstream record covers: mine@0.1.0"),
    ]);
  });

  test("stays signed when a new key takes the old one's place, and is adopted by neither serve nor prune", async () => {
    await put(mine);
    await run("build");
    await rm(mirror("private_key.pem"));
    const taken = await run("build", "--new-key");
    expect([taken.code, taken.stdout + taken.stderr]).toEqual([
      0,
      expect.stringMatching(/adopted 1 release[\s\S]*SHA256:\S+ signed is taken over by the key SHA256:/),
    ]);
    expect(await listed("mine")).toEqual(["0.1.0"]);
    await put(next);
    const server = await startServer(["--no-tls"], { cwd });
    await server.stop();
    expect(await listed("mine")).toEqual(["0.1.0"]);
  });
});

describe("with upstream's records", () => {
  let hex: HexUpstream;
  const sync = (...args: string[]) => run("sync", "--hex-url", hex.url, "--hex-public-key", "upstream.pem", ...args);
  const published = (...releases: [MadeTarball, string][]) =>
    new Map([
      [
        "alpha",
        createPackage({
          name: "alpha",
          repository: "hexpm",
          releases: releases.map(([{ version, innerChecksum, outerChecksum }, at]) => ({
            version,
            innerChecksum: Buffer.from(innerChecksum, "hex"),
            outerChecksum: Buffer.from(outerChecksum, "hex"),
            publishedAt: { seconds: BigInt(Math.floor(Date.parse(at) / 1000)), nanos: 0 },
          })),
        }),
      ],
    ]);
  const publish = (...releases: [MadeTarball, string][]) => {
    hex.files.clear();
    hex.publish(
      releases.map(([tarball]) => tarball),
      { upstream: published(...releases) },
    );
  };
  const longAgo = "2020-01-01T00:00:00Z";
  const justNow = new Date(Date.now() - 60_000).toISOString();

  beforeEach(async () => {
    hex = await startHexUpstream([alpha]);
    await hex.writePublicKey(join(cwd, "upstream.pem"));
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
  });

  test("a tarball that the record does not list is damaged, whatever is asked for", async () => {
    await sync();
    await put(evil);
    for (const args of [[], ["--package", "alpha@1.0.0"]]) {
      const { code, stderr } = await sync(...args);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining("failed alpha 1.0.1: upstream's record of alpha is held and does not list it"),
      ]);
      expect(await listed("alpha")).toEqual(["1.0.0"]);
    }
    expect((await run("build", "--adopt", "alpha@1.0.1")).code).toBe(1);
    expect(await listed("alpha")).toEqual(["1.0.0"]);
    const found = await run("verify");
    expect([found.code, found.stdout]).toEqual([
      3,
      expect.stringContaining("damaged alpha 1.0.1: its tarball is damaged: upstream's record does not list it"),
    ]);
    expect((await run("verify", "--deep")).stdout).toMatch(
      /quarantined .*alpha-1\.0\.1\.tar: upstream's record does not list it/,
    );
    expect((await run("verify")).code).toBe(0);
  });

  test("verify names what was adopted beside them", async () => {
    await put(mine);
    await run("build");
    await sync();
    const { code, stdout } = await run("verify");
    expect([code, stdout]).toEqual([0, expect.stringContaining("no upstream record covers mine@0.1.0: adopted here")]);
    expect(await listed("mine")).toEqual(["0.1.0"]);
  });

  test("an older record does not take a newer one's place, and what is held stays served", async () => {
    publish([alpha, longAgo], [evil, longAgo]);
    await sync();
    const before = await readFile(mirror("upstream/hexpm/packages/alpha"));
    publish([alpha, longAgo]);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/failed alpha 1\.0\.0: .*lost 1\.0\.1.*--accept-changed alpha/),
    ]);
    expect(await readFile(mirror("upstream/hexpm/packages/alpha"))).toEqual(before);
    expect(await listed("alpha")).toEqual(["1.0.0"]);
    expect((await sync()).code).toBe(1);
    const accepted = await sync("--accept-changed", "alpha");
    expect([accepted.code, accepted.stderr]).toEqual([0, expect.stringContaining("upstream took back alpha 1.0.1")]);
    expect((await sync()).code).toBe(0);
  });

  test("a change of what no lock names is accepted by nobody", async () => {
    const { code, stderr } = await sync("--accept-changed", "alhpa");
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("--accept-changed alhpa: no lock that is synced here names"),
    ]);
  });

  test("a young release that goes is told, and its tarball is put aside", async () => {
    publish([alpha, longAgo], [evil, justNow]);
    await sync("--package", "alpha@1.0.1");
    // No lock names it any more.
    await rm(mirror("locks/+packages.json"));
    publish([alpha, longAgo]);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/upstream took back alpha 1\.0\.1[\s\S]*lies in .*quarantine/),
    ]);
    expect(await readdir(mirror("hex/tarballs"))).toEqual(["alpha-1.0.0.tar"]);
    expect((await sync()).code).toBe(0);
  });

  test("a release with other bytes is refused, whatever was deleted here, until a person names it", async () => {
    publish([alpha, longAgo]);
    await sync();
    const other = makeTarball({ name: "alpha", version: "1.0.0", files: { "mix.exs": "other" } });
    publish([other, longAgo]);
    await writeFile(join(cwd, "mix.lock"), mixLock([other]));
    for (const prepare of [async () => undefined, () => rm(mirror("upstream/hexpm/packages/alpha"))]) {
      await prepare();
      const { code, stderr } = await sync();
      expect([code, stderr]).toEqual([1, expect.stringContaining("--accept-changed alpha@1.0.0")]);
      expect(await readFile(mirror("hex/tarballs/alpha-1.0.0.tar"))).toEqual(alpha.bytes);
    }
    const accepted = await sync("--accept-changed", "alpha@1.0.0");
    expect([accepted.code, accepted.stderr]).toEqual([
      0,
      expect.stringContaining("upstream replaced alpha 1.0.0 by other bytes"),
    ]);
    expect(await readFile(mirror("hex/tarballs/alpha-1.0.0.tar"))).toEqual(other.bytes);
    expect((await run("verify")).code).toBe(0);
  });

  test("what upstream warned of is not lost with its record, by build nor by an older record", async () => {
    const warned = createPackage({
      name: "alpha",
      repository: "hexpm",
      advisories: [{ id: "GHSA-1", summary: "a hole" }],
      releases: [alpha, evil].map(({ version, innerChecksum, outerChecksum }) => ({
        version,
        innerChecksum: Buffer.from(innerChecksum, "hex"),
        outerChecksum: Buffer.from(outerChecksum, "hex"),
        retired: { reason: 2, message: "hole" },
        advisoryIndexes: [0],
      })),
    });
    hex.publish([alpha, evil], { upstream: new Map([["alpha", warned]]) });
    await sync();
    const upstreams = mirror("upstream/hexpm/packages/alpha");
    const record = await readFile(upstreams);
    const ours = await readFile(mirror("hex/packages/alpha"));
    for (const damage of [() => rm(upstreams), () => writeFile(upstreams, "junk")]) {
      await damage();
      await run("build");
      expect(await readFile(mirror("hex/packages/alpha"))).toEqual(ours);
      publish([alpha, justNow]);
      const { code, stderr } = await sync();
      expect([code, stderr]).toEqual([
        0,
        expect.stringMatching(
          /took back alpha 1\.0\.1[\s\S]*alpha 1\.0\.0 is retired no more[\s\S]*advisory GHSA-1 of alpha is gone/,
        ),
      ]);
      await writeFile(upstreams, record);
      await writeFile(mirror("hex/packages/alpha"), ours);
    }
  });

  test("a record that tells no outer checksum any more replaces nothing", async () => {
    publish([alpha, longAgo]);
    await sync();
    const other = makeTarball({ name: "alpha", version: "1.0.0", files: { "mix.exs": "other" } });
    const silent = published([other, longAgo]);
    for (const release of silent.get("alpha")?.releases ?? []) release.outerChecksum = new Uint8Array();
    hex.publish([other], { upstream: silent });
    await writeFile(join(cwd, "mix.lock"), '%{"alpha": {:hex, :alpha, "1.0.0"}}\n');
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringContaining("--accept-changed alpha@1.0.0")]);
    expect(await readFile(mirror("hex/tarballs/alpha-1.0.0.tar"))).toEqual(alpha.bytes);
  });

  test("another upstream key takes nothing away before its records are here", async () => {
    await sync();
    const ours = await readFile(mirror("hex/packages/alpha"));
    const other = await startHexUpstream([]);
    await other.writePublicKey(join(cwd, "other.pem"));
    const args = ["--hex-public-key", "other.pem", "--new-upstream-key"];
    for (const url of [other.url, hex.url]) {
      expect((await run("sync", "--hex-url", url, ...args)).code).toBe(1);
      expect(await readFile(mirror("hex/packages/alpha"))).toEqual(ours);
    }
    expect((await sync()).code).toBe(0);
  });

  test("what was seen is written down once, with the key that signed it", async () => {
    await sync();
    const file = mirror("history/hexpm/alpha.jsonl");
    const line = JSON.parse(await readFile(file, "utf8")) as object;
    const key = fingerprint(createPublicKey(await readFile(join(cwd, "upstream.pem"))));
    expect(line).toEqual({
      version: "1.0.0",
      checksum: alpha.outerChecksum,
      key,
      seen: expect.stringMatching(/^20\d\d-\d\d-\d\d$/) as string,
    });
    const before = await snapshot(mirror("history"));
    await sync();
    expect(await snapshot(mirror("history"))).toEqual(before);
  });

  test("two checksums for one version are a finding of verify", async () => {
    await sync();
    const file = mirror("history/hexpm/alpha.jsonl");
    const line = await readFile(file, "utf8");
    await writeFile(file, line + line.replace(alpha.outerChecksum, "0".repeat(64)));
    const { code, stdout } = await run("verify");
    expect([code, stdout]).toEqual([
      3,
      expect.stringMatching(/damaged alpha 1\.0\.0: .*alpha\.jsonl has two checksums/),
    ]);
  });

  test("an old folder that somebody built with a key of theirs is synced in place, and keeps every release", async () => {
    await put(mine);
    await put(next);
    await run("build");
    await copyFile(mirror("private_key.pem"), join(cwd, "their_key.pem"));
    await rm(mirror("private_key.pem"));
    await rm(mirror("mirror.json"));
    expect((await sync("--private-key", "their_key.pem")).code).toBe(0);
    expect([await listed("mine"), await listed("alpha")]).toEqual([["0.1.0", "0.2.0"], ["1.0.0"]]);
  });
});
