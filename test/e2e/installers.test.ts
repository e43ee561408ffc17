/** What `mix local.hex` and `mix local.rebar` download: mirrored, verified, and used by Mix itself. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { compareVersions } from "../../src/names/versions.ts";
import { mirrorServer, startServer } from "../support/cli.ts";
import { isInstalled, runClient } from "../support/clients.ts";
import {
  makeInstallerKey,
  makeUpstreamIdentity,
  publishInstallers,
  startFileUpstream,
  type FileUpstream,
  type InstallerFile,
  type InstallerKey,
} from "../support/file-upstream.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";

let cwd: string;
let builds: FileUpstream;
let key: InstallerKey;

const installer = (path: string, line: string, content = path): InstallerFile => ({
  path,
  line,
  content: Buffer.from(content),
});
const hex = [
  installer("1.12.0/hex-2.0.0.ez", "2.0.0,SHA512,1.12.0"),
  installer("1.14.0/hex-2.1.0.ez", "2.1.0,SHA512,1.14.0"),
  installer("1.16.0/hex-2.1.0.ez", "2.1.0,SHA512,1.16.0"),
];
const recent = [
  installer("1.18.0/hex-2.2.1-otp-26.ez", "2.2.1,SHA512,1.18.0,26"),
  installer("1.18.0/hex-2.2.1-otp-27.ez", "2.2.1,SHA512,1.18.0,27"),
];

beforeEach(async () => {
  cwd = await temporaryFolder();
  const { ca, identity } = makeUpstreamIdentity();
  await writeFile(join(cwd, "upstream-ca.pem"), ca);
  builds = await startFileUpstream(identity);
  key = makeInstallerKey();
  await writeFile(join(cwd, "builds.pem"), key.publicKey);
  publishInstallers(builds, "hex-1.x.csv", hex, key);
  publishInstallers(builds, "hex.csv", recent, undefined);
});

const sync = (...args: string[]) =>
  mirrorServer(["sync", "--builds-url", builds.url, "--builds-public-key", "builds.pem", "--installers", ...args], {
    cwd,
    env: { NODE_EXTRA_CA_CERTS: join(cwd, "upstream-ca.pem") },
  });
const installs = (path: string) => join(cwd, ".mirror/hex/installs", path);

describe("sync --installers", () => {
  test("fetches what every Elixir from 1.12 on would choose, and a second run nothing but the lists", async () => {
    const { code, stdout } = await sync();
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 7, .*failed 0/)]);
    for (const { path, content } of [...hex, ...recent]) expect(await readFile(installs(path))).toEqual(content);
    expect(await readFile(installs("hex-1.x.csv.signed"))).toEqual(builds.files.get("/installs/hex-1.x.csv.signed"));
    const before = await snapshot(join(cwd, ".mirror"));
    builds.log.length = 0;
    expect((await sync()).stdout).toMatch(/^added 0, updated 0, unchanged 7/);
    expect(builds.log.filter((line) => !/\.csv(\.signed)?$/.test(line))).toEqual([]);
    expect(await snapshot(join(cwd, ".mirror"))).toEqual(before);
  });

  test("--elixir and --otp narrow it to what these would choose", async () => {
    const { stdout } = await sync("--elixir", "1.15.7", "--otp", "26", "--elixir", "1.19.0", "--otp", "27");
    expect(stdout).toMatch(/^added 4,/);
    expect((await readdir(installs(""), { recursive: true })).sort()).toEqual([
      "1.14.0",
      "1.14.0/hex-2.1.0.ez",
      "1.18.0",
      "1.18.0/hex-2.2.1-otp-27.ez",
      "hex-1.x.csv",
      "hex-1.x.csv.signed",
      "hex.csv",
    ]);
  });

  test("a list that another key signed is refused, and what is here stays as it was", async () => {
    await sync();
    const before = await snapshot(installs(""));
    publishInstallers(
      builds,
      "hex-1.x.csv",
      [installer("1.14.0/hex-9.9.9.ez", "9.9.9,SHA512,1.14.0")],
      makeInstallerKey(),
    );
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/hex-1\.x\.csv is not signed by the expected key/)]);
    expect(await snapshot(installs(""))).toEqual(before);
  });

  test("a list of the old kind without signature is refused", async () => {
    publishInstallers(builds, "hex-1.x.csv", hex, undefined);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/hex-1\.x\.csv is not signed/)]);
  });

  test("a list without a signature is not taken over http, one with a signature is", async () => {
    const plain = await startFileUpstream();
    publishInstallers(plain, "hex-1.x.csv", hex, key);
    publishInstallers(plain, "hex.csv", recent, undefined);
    const { code, stderr } = await sync("--builds-url", plain.url);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/hex\.csv is not signed, and came over http.*https URL/)]);
    expect(await readdir(installs(""))).toEqual(expect.arrayContaining(["hex-1.x.csv", "hex-1.x.csv.signed"]));
    expect(await readdir(installs(""))).not.toContain("hex.csv");
  });

  test("a version with other bytes than before is refused, signed or not, until a person names it", async () => {
    await sync();
    const before = await snapshot(installs(""));
    const [first] = recent;
    publishInstallers(builds, "hex.csv", [installer(first?.path ?? "", first?.line ?? "", "other")], undefined);
    publishInstallers(builds, "hex-1.x.csv", [installer("1.14.0/hex-2.1.0.ez", "2.1.0,SHA512,1.14.0", "other")], key);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringContaining("--accept-changed hex@2.2.1")]);
    expect(stderr).toContain("--accept-changed hex@2.1.0");
    expect(await snapshot(installs(""))).toEqual(before);
    expect((await sync("--accept-changed", "hex@2.2.1", "--accept-changed", "hex@2.1.0")).code).toBe(0);
    expect(await readFile(installs(first?.path ?? ""), "utf8")).toBe("other");
  });

  test("a list that was signed is not replaced by one without a signature", async () => {
    publishInstallers(builds, "hex.csv", recent, key);
    await sync();
    const before = await snapshot(installs(""));
    publishInstallers(
      builds,
      "hex.csv",
      [installer("1.18.0/hex-2.2.1-otp-27.ez", "2.2.1,SHA512,1.18.0,27", "evil")],
      undefined,
    );
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/hex\.csv is not signed/)]);
    expect(await snapshot(installs(""))).toEqual(before);
  });

  test("a list is replaced only when all that it names is here and right", async () => {
    await sync();
    const [old, oldSignature] = await Promise.all(
      ["hex-1.x.csv", "hex-1.x.csv.signed"].map((f) => readFile(installs(f))),
    );
    publishInstallers(builds, "hex-1.x.csv", [...hex, installer("1.16.0/hex-2.3.0.ez", "2.3.0,SHA512,1.16.0")], key);
    builds.files.set("/installs/1.16.0/hex-2.3.0.ez", Buffer.from("tampered"));
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/hex-2\.3\.0\.ez is not the file that the list names/)]);
    expect(await readFile(installs("hex-1.x.csv"))).toEqual(old);
    expect(await readFile(installs("hex-1.x.csv.signed"))).toEqual(oldSignature);
    builds.files.set("/installs/1.16.0/hex-2.3.0.ez", Buffer.from("1.16.0/hex-2.3.0.ez"));
    expect((await sync()).code).toBe(0);
    expect(await readFile(installs("hex-1.x.csv"), "utf8")).toContain("2.3.0,");
  });

  test("an upstream without any list is an error, not an empty success", async () => {
    builds.files.clear();
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringContaining("upstream has no list of installers")]);
  });

  test("installers that no list has are an error too", async () => {
    const { code, stderr } = await sync("--elixir", "1.11.4", "--otp", "24");
    expect([code, stderr]).toEqual([1, expect.stringContaining("no list has an installer for that Elixir and OTP")]);
  });

  test("they are served below the mirror, as builds.hex.pm and below repo.hex.pm", async () => {
    await sync();
    const server = await startServer(["--no-tls"], { cwd });
    for (const path of ["/installs/1.14.0/hex-2.1.0.ez", "/installs/hex-1.x.csv.signed", "/installs/hex.csv"]) {
      const expected = await readFile(join(cwd, ".mirror/hex", path), "latin1");
      for (const prefix of ["", "/builds.hex.pm", "/repo.hex.pm"]) {
        const answer = await fetch(server.url + prefix + path);
        expect([prefix + path, answer.status, Buffer.from(await answer.arrayBuffer()).toString("latin1")]).toEqual([
          prefix + path,
          200,
          expected,
        ]);
      }
    }
    expect((await fetch(`${server.url}/builds.hex.pm/packages/x`)).status).toBe(404);
    expect((await fetch(`${server.url}/installs/hex-1.x.csv.nothing`)).status).toBe(404);
  });
});

describe.skipIf(!isInstalled("mix", "--version"))("Mix", () => {
  test("installs Hex and rebar3 from the mirror, signature and checksum verified", async () => {
    // Not Hex itself, which no registry here has: an archive that Mix builds and installs as it does Hex's.
    const project = join(cwd, "project");
    const env = { HOME: cwd, MIX_HOME: join(cwd, "mix"), MIX_ENV: "prod" };
    await mkdir(join(project, "lib/mix/tasks"), { recursive: true });
    await writeFile(
      join(project, "mix.exs"),
      'defmodule Hex.MixProject do\n use Mix.Project\n def project, do: [app: :hex, version: "9.9.9"]\nend\n',
    );
    await writeFile(
      join(project, "lib/mix/tasks/hello.ex"),
      'defmodule Mix.Tasks.Hello do\n use Mix.Task\n def run(_), do: IO.puts("hello from the archive")\nend\n',
    );
    expect(await runClient("mix", ["archive.build", "-o", "../hex.ez"], { cwd: project, env })).toMatchObject({
      code: 0,
    });
    const archive = await readFile(join(cwd, "hex.ez"));
    const rebar = Buffer.from("#!/bin/sh\necho rebar\n");
    // One pair of lists is for Mix up to 1.18.3, the other for what came after.
    const publish = (list: string, path: string, line: string, content: Buffer) =>
      publishInstallers(builds, list, [{ path: `1.12.0/${path}`, line, content }], key);
    publish("hex-1.x.csv", "hex-9.9.9.ez", "9.9.9,SHA512,1.12.0", archive);
    publish("rebar3-1.x.csv", "rebar3-3.22.0", "3.22.0,SHA512,1.12.0", rebar);
    publish("hex.csv", "hex-9.9.9-otp-24.ez", "9.9.9,SHA512,1.12.0,24", archive);
    publish("rebar.csv", "rebar3-3.22.0-otp-24", "3.22.0,SHA512,1.12.0,24", rebar);
    const versions = 'IO.write(System.version() <> " " <> System.otp_release())';
    const [elixir = "", otp = ""] = execFileSync("elixir", ["-e", versions], { encoding: "utf8" }).split(" ");
    expect((await sync("--elixir", elixir, "--otp", otp)).code).toBe(0);
    const server = await startServer(["--no-tls"], { cwd });
    await mkdir(join(cwd, "mix/public_keys"), { recursive: true });
    await writeFile(join(cwd, "mix/public_keys/test.pem"), key.publicKey);

    const client = { ...env, HEX_MIRROR: server.url };
    const local = await runClient("mix", ["local.hex", "--force"], { cwd, env: client });
    expect([local.code, local.output]).toEqual([0, expect.stringContaining("* creating mix/archives/hex")]);
    expect((await runClient("mix", ["hello"], { cwd, env })).output).toContain("hello from the archive");
    const rebar3 = await runClient("mix", ["local.rebar", "--force"], { cwd, env: client });
    expect([rebar3.code, rebar3.output]).toEqual([0, expect.stringMatching(/rebar3/)]);

    // The face of repo.hex.pm has them as well: HEX_MIRROR is one variable for both.
    const face = { ...client, MIX_HOME: join(cwd, "mix2"), HEX_MIRROR: `${server.url}/repo.hex.pm` };
    await mkdir(join(cwd, "mix2/public_keys"), { recursive: true });
    await writeFile(join(cwd, "mix2/public_keys/test.pem"), key.publicKey);
    expect(await runClient("mix", ["local.hex", "--force"], { cwd, env: face })).toMatchObject({ code: 0 });

    // Verification is on: by the list's signature, which Elixir 1.19 has given up, and by the file's checksum.
    const untrusting = { ...client, MIX_HOME: join(cwd, "mix3") };
    const { output } = await runClient("mix", ["local.hex", "--force"], { cwd, env: untrusting });
    expect(output.includes("could not verify authenticity")).toBe(compareVersions(elixir, "1.19.0") < 0);
    for (const name of await readdir(installs("1.12.0"))) await writeFile(installs(`1.12.0/${name}`), "another file");
    const damaged = await runClient("mix", ["local.hex", "--force"], { cwd, env: client });
    expect([damaged.code === 0, damaged.output]).toEqual([
      false,
      expect.stringContaining("Data does not match the given SHA-512 checksum"),
    ]);
  });
});
