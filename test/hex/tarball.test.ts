import { readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readTar } from "../../src/hex/tar.ts";
import { readExpectedTarball } from "../../src/hex/check.ts";
import { readTarball } from "../../src/hex/tarball.ts";
import { fixtures } from "../support/folder.ts";
import { makeTarball } from "../support/tarballs.ts";

const golden = (name: string) => readFile(join(fixtures, "golden/hex/tarballs", name));

describe("readTarball", () => {
  test("reads a tarball that Hex wrote", async () => {
    const bytes = await golden("cedar_web-0.1.0.tar");
    const { metadata, outerChecksum } = readTarball(bytes);
    expect(metadata).toMatchObject({ name: "cedar_web", version: "0.1.0", app: "cedar_web" });
    expect(metadata.requirements.map(({ package: name, app, optional }) => [name, app, optional])).toEqual([
      ["alder", "alder", false],
      ["birch", "birch", true],
      ["dogwood", "dogwood_app", false],
    ]);
    expect(outerChecksum.toString("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  test("gives the checksum that the tarball carries as its inner one", async () => {
    const tarball = makeTarball({ name: "pkg", version: "1.2.3" });
    expect(readTarball(tarball.bytes).innerChecksum.toString("hex")).toBe(tarball.innerChecksum);
  });

  test("refuses contents that were changed", async () => {
    const { bytes } = makeTarball({ name: "pkg", version: "1.0.0" });
    const at = bytes.indexOf('{<<"app">>,<<"pkg">>}');
    bytes.write('{<<"app">>,<<"PKG">>}', at);
    expect(() => readTarball(bytes)).toThrow(/do not fit the checksum/);
  });

  test.each([0, 1, 511, 512, 1024, 2000])("refuses a file cut off after %i bytes", async (length) => {
    expect(() => readTarball(makeTarball({ name: "pkg", version: "1.0.0" }).bytes.subarray(0, length))).toThrow(
      /not a (Hex tarball|tar file)/,
    );
  });
});

describe("a tarball that has to be another", () => {
  const made = makeTarball({ name: "pkg", version: "1.0.0" });
  const release = {
    version: "1.0.0",
    innerChecksum: Buffer.from(made.innerChecksum, "hex"),
    outerChecksum: Buffer.from(made.outerChecksum, "hex"),
  };

  test("is not parsed at all", () => {
    const garbage = Buffer.from("not even a tar");
    expect(() => readExpectedTarball(garbage, "pkg", release, [])).toThrow(/outer checksum is not the one that the/);
    const demand = { lock: "app", outerChecksum: "0".repeat(64) };
    const anyOuter = { ...release, outerChecksum: Buffer.alloc(0) };
    expect(() => readExpectedTarball(garbage, "pkg", anyOuter, [demand])).toThrow(/not the one in the lock app/);
  });

  test("is not understood where only the inner checksum tells, as in registries of old", () => {
    const [old, other] = [
      { ...release, outerChecksum: Buffer.alloc(0) },
      makeTarball({ name: "pkg", version: "2.0.0" }),
    ];
    expect(() => readExpectedTarball(other.bytes, "pkg", old, [])).toThrow(/inner checksum is not the one/);
    expect(readExpectedTarball(made.bytes, "pkg", old, []).metadata.version).toBe("1.0.0");
  });
});

test("metadata without measure is refused before it is read", () => {
  const many = makeTarball({ name: "pkg", version: "1.0.0", files: { ["x".repeat(1_100_000)]: "" } });
  expect(() => readTarball(many.bytes)).toThrow(/metadata\.config is larger than 1048576 bytes/);
});

describe("readTar refuses", () => {
  const limits = { entries: 4 };
  const header = (change: (header: Buffer) => void) => {
    const bytes = Buffer.from(makeTarball({ name: "pkg", version: "1.0.0" }).bytes);
    change(bytes);
    // The header's checksum is made right again, so that it is the change that is found.
    bytes.write("        ", 148);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return bytes;
  };

  test("links and devices", () => {
    expect(() =>
      readTar(
        header((h) => h.write("2", 156)),
        limits,
      ),
    ).toThrow(/not a regular file/);
  });

  test("sizes that are negative, huge or no numbers", () => {
    expect(() =>
      readTar(
        header((h) => h.write("-0000000010", 124)),
        limits,
      ),
    ).toThrow(/not a number/);
    expect(() =>
      readTar(
        header((h) => h.write("77777777777", 124)),
        limits,
      ),
    ).toThrow(/ends after the file/);
    expect(() =>
      readTar(
        header((h) => h.writeUInt8(0x80, 124)),
        limits,
      ),
    ).toThrow(/not a number/);
  });

  test("a wrong header checksum", () => {
    const bytes = Buffer.from(makeTarball({ name: "pkg", version: "1.0.0" }).bytes);
    bytes.write("X", 0);
    expect(() => readTar(bytes, limits)).toThrow(/checksum is wrong/);
  });

  test("more entries than allowed, and names that come twice", () => {
    const { bytes } = makeTarball({ name: "pkg", version: "1.0.0" });
    expect(() => readTar(bytes, { entries: 3 })).toThrow(/more than 3 entries/);
    const first = bytes.subarray(0, 1024);
    expect(() => readTar(Buffer.concat([first, first]), limits)).toThrow(/comes twice/);
  });

  test("random bytes, always with an error of ours and never for long", () => {
    for (let seed = 0; seed < 200; seed++) {
      const noise = createHash("shake256", { outputLength: 4096 }).update(String(seed)).digest();
      expect(() => readTar(noise, limits)).toThrow(/not a tar file/);
    }
  });
});
