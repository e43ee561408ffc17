/** What packages download while they compile is found in their tarballs, fetched, held to what these say, and checked. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/tls/certificates.ts";
import type { FileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { startNamedHosts } from "../support/named-hosts.ts";
import { makeTarball, mixLock, type MadeTarball } from "../support/tarballs.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const linux = Buffer.from("of linux".repeat(1000));
const darwin = Buffer.from("of darwin".repeat(1000));

let cwd: string;
let upstream: FileUpstream;
let environment: Readonly<Record<string, string>>;

beforeEach(async () => {
  cwd = await temporaryFolder();
  ({ upstream, environment } = await startNamedHosts(cwd, ["github.com", "registry.npmjs.org"]));
});

async function lock(...tarballs: MadeTarball[]): Promise<void> {
  const hex = await startHexUpstream(tarballs);
  environment = {
    ...environment,
    MIRROR_HEX_URL: hex.url,
    MIRROR_HEX_PUBLIC_KEY: await hex.writePublicKey(join(cwd, "upstream.pem")),
  };
  await mkdir(join(cwd, "app"), { recursive: true });
  await writeFile(join(cwd, "app/mix.lock"), mixLock(tarballs));
}

const run = async (...args: string[]) => mirrorHere(args, { cwd, env: environment });
const sync = async (...args: string[]) => run("sync", "app", "--artefacts", "--target", "x86_64-linux-gnu", ...args);
const held = async (path: string) => readFile(join(cwd, ".mirror/files", path));

const checksums = (files: Readonly<Record<string, Buffer>>) =>
  `%{\n${Object.entries(files)
    .map(([name, bytes]) => `  "${name}" => "sha256:${sha256(bytes)}",\n`)
    .join("")}}\n`;

const ofLinux = "libfast_nif-v0.3.0-nif-2.15-x86_64-unknown-linux-gnu.so.tar.gz";
const ofDarwin = "libfast_nif-v0.3.0-nif-2.15-aarch64-apple-darwin.so.tar.gz";
const fast = makeTarball({
  name: "fast",
  version: "0.3.0",
  files: {
    "mix.exs": `defmodule Fast.MixProject do\n  use Mix.Project\n  @version "0.3.0"\n  @source_url "https://github.com/acme/fast"\n  def project, do: [app: :fast, version: @version, source_url: @source_url]\nend\n`,
    "lib/fast/native.ex": `defmodule Fast.Native do\n  config = Mix.Project.config()\n  version = config[:version]\n  use RustlerPrecompiled,\n    otp_app: :fast,\n    crate: "fast_nif",\n    base_url: "#{config[:source_url]}/releases/download/v#{version}",\n    version: version\nend\n`,
    "checksum-Elixir.Fast.Native.exs": checksums({ [ofLinux]: linux, [ofDarwin]: darwin }),
  },
});
const publish = () => {
  upstream.files.set(`/acme/fast/releases/download/v0.3.0/${ofLinux}`, linux);
  upstream.files.set(`/acme/fast/releases/download/v0.3.0/${ofDarwin}`, darwin);
};

describe("precompiled NIFs", () => {
  test("come for the machines that are asked for, and are checked ever after", async () => {
    await lock(fast);
    publish();
    const { code, stdout, stderr } = await sync();
    expect([code, stderr, stdout]).toEqual([0, expect.stringContaining(ofLinux), expect.stringMatching(/^added 2, /)]);
    expect(await held(`github.com/acme/fast/releases/download/v0.3.0/${ofLinux}`)).toEqual(linux);
    await expect(held(`github.com/acme/fast/releases/download/v0.3.0/${ofDarwin}`)).rejects.toThrow();
    expect((await sync("--target", "aarch64-apple-darwin")).stdout).toMatch(/^added 1, /);
    upstream.log.length = 0;
    expect((await sync()).stdout).toMatch(/^added 0, updated 0, unchanged 2/);
    expect(upstream.log).toEqual([]);
    expect(await run("verify")).toMatchObject({ code: 0, stdout: expect.stringContaining("3 checked") });
    await rm(join(cwd, `.mirror/files/github.com/acme/fast/releases/download/v0.3.0/${ofLinux}`));
    await writeFile(join(cwd, `.mirror/files/github.com/acme/fast/releases/download/v0.3.0/${ofDarwin}`), "another");
    const { stdout: found } = await run("verify", "--artefacts", "--target", "all");
    expect(found).toMatch(/missing https:.*linux-gnu/);
    expect(found).toMatch(/damaged https:.*darwin/);
  });

  test("that are not here are told by verify, which is right all the same", async () => {
    await lock(fast);
    publish();
    await run("sync", "app");
    const { code, stdout } = await run("verify", "--target", "x86_64-linux-gnu", "--target", "aarch64-apple-darwin");
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^compiles offline: yes, but for\n {2}fast 0\.3\.0 .*2 of the 2 files.*sync --artefacts/m),
    ]);
    const told = await run("verify", "--json", "--target", "x86_64-linux-gnu");
    expect(JSON.parse(told.stdout)).toMatchObject({
      ok: true,
      compilesOffline: { ok: false, downloading: 1, lacking: [{ item: { name: "fast" }, app: "fast" }] },
    });
    await sync();
    expect((await run("verify", "--target", "x86_64-linux-gnu")).stdout).toMatch(/^compiles offline: yes$/m);
  });

  test("of a URL that no folder can hold cost nothing but themselves", async () => {
    const odd = makeTarball({
      name: "odd",
      version: "1.0.0",
      files: {
        "mix.exs":
          'defmodule Odd.MixProject do\n  def project, do: [make_precompiler_url: "https://example.org/@{artefact_filename}?raw=true"]\nend\n',
        "checksum.exs": checksums({ "odd-nif-2.16-x86_64-linux-gnu-1.0.0.tar.gz": linux }),
      },
    });
    await lock(fast, odd);
    publish();
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/example\.org.*: a query has no place in a folder/)]);
    expect(stderr).not.toContain("in the configuration");
    const { stdout } = await run("env", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH: expect.any(String) });
  });

  test("have no say in what a file was that the mirror has seen", async () => {
    await lock(fast);
    publish();
    await sync();
    const record = join(cwd, ".mirror/files.json");
    const known = (await readFile(record, "utf8")).replace(sha256(linux), sha256(darwin));
    await writeFile(record, known);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/this mirror knows it with SHA-256 .* a package says/)]);
    expect(await readFile(record, "utf8")).toBe(known);
  });

  test("stay while a package is not here that may want them", async () => {
    const slow = makeTarball({ name: "slow", version: "1.0.0" });
    await lock(fast, slow);
    publish();
    await sync();
    await rm(join(cwd, ".mirror/hex/tarballs/fast-0.3.0.tar"));
    const { stdout } = await run("prune", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      removed: [],
      spared: [{ reason: expect.stringContaining("is not here") }],
    });
  });

  test("lie where those look for them that take them from a folder, as the package names them and not otherwise", async () => {
    await lock(fast);
    publish();
    await sync();
    const variable = "RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH";
    const folder = async () => {
      const { stdout } = await run("env", "--json");
      return (JSON.parse(stdout) as Record<string, string | undefined>)[variable];
    };
    const copy = join((await folder()) ?? "", ofLinux);
    expect(await readFile(copy)).toEqual(linux);
    await writeFile(copy, Buffer.from(linux).fill("x", 0, 1));
    await folder();
    expect(await readFile(copy)).toEqual(linux);
    // What is damaged here is handed to nobody.
    await rm(copy);
    const path = `.mirror/files/github.com/acme/fast/releases/download/v0.3.0/${ofLinux}`;
    await writeFile(join(cwd, path), Buffer.from(linux).fill("x", 0, 1));
    expect(await folder()).toBeUndefined();
    await expect(readFile(copy)).rejects.toThrow();
    await writeFile(join(cwd, path), linux);
    environment = { ...environment, [variable]: "/a/folder/of/mine" };
    expect(await folder()).toBeUndefined();
  });

  test("go with the package that downloads them, and no sooner", async () => {
    const slow = makeTarball({ name: "slow", version: "1.0.0" });
    await lock(fast, slow);
    publish();
    await sync();
    expect((await run("prune", "--dry-run")).stdout).not.toContain(ofLinux);
    await writeFile(join(cwd, "app/mix.lock"), mixLock([slow]));
    await run("sync", "app");
    expect((await run("prune")).stdout).toContain(ofLinux);
    await expect(held(`github.com/acme/fast/releases/download/v0.3.0/${ofLinux}`)).rejects.toThrow();
  });

  test("of a host that the authority of before may not vouch for are told when they come", async () => {
    const certs = join(cwd, "certs");
    await mkdir(certs);
    const { cert, key } = makeAuthority(["other.example"], new Date());
    await writeFile(join(certs, "ca.pem"), cert);
    await writeFile(join(certs, "ca.key"), key, { mode: 0o600 });
    await lock(fast);
    publish();
    environment = { ...environment, MIRROR_CERTS_DIR: certs };
    expect((await sync()).stderr).toMatch(/may not vouch for .*github\.com.*certs renew --new-ca/);
  });

  test("are held to what the signed tarball says, whoever sends something else", async () => {
    await lock(fast);
    publish();
    upstream.files.set(`/acme/fast/releases/download/v0.3.0/${ofLinux}`, Buffer.from("evil"));
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/the package that downloads it says/)]);
    await expect(held(`github.com/acme/fast/releases/download/v0.3.0/${ofLinux}`)).rejects.toThrow();
  });
});

describe("tools", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString().trim();
  const esbuild = makeTarball({
    name: "esbuild",
    version: "0.10.0",
    files: {
      "mix.exs": "defmodule Esbuild.MixProject do\nend\n",
      "lib/esbuild.ex": 'defmodule Esbuild do\n  @latest_version "0.25.0"\n\n  @moduledoc "v#{@latest_version}"\nend\n',
      "lib/esbuild/npm_registry.ex": `defmodule Esbuild.NpmRegistry do\n  @public_keys %{\n    "SHA256:test" => """\n    ${pem.replaceAll("\n", "\n    ")}\n    """\n  }\nend\n`,
    },
  });
  const tailwind = makeTarball({
    name: "tailwind",
    version: "0.4.1",
    files: { "lib/tailwind.ex": 'defmodule Tailwind do\n  @latest_version "4.1.12"\nend\n' },
  });
  const about = "registry.npmjs.org/@esbuild/linux-x64/0.25.4";
  const tarball = "registry.npmjs.org/@esbuild/linux-x64/-/linux-x64-0.25.4.tgz";
  const says = (bytes: Buffer, key = privateKey) => {
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    const id = "@esbuild/linux-x64@0.25.4";
    const sig = sign("sha256", Buffer.from(`${id}:${integrity}`), key).toString("base64");
    const dist = { integrity, tarball: `https://${tarball}`, signatures: [{ keyid: "SHA256:test", sig }] };
    return Buffer.from(JSON.stringify({ _id: id, name: "@esbuild/linux-x64", version: "0.25.4", dist }));
  };
  const serveNpm = (bytes: Buffer, said = says(bytes)) => {
    upstream.files.set("/@esbuild/linux-x64/0.25.4", said);
    upstream.files.set("/@esbuild/linux-x64/-/linux-x64-0.25.4.tgz", bytes);
  };
  const configure = async () => {
    await mkdir(join(cwd, "app/config"), { recursive: true });
    await writeFile(
      join(cwd, "app/config/config.exs"),
      'import Config\n\nconfig :esbuild,\n  version: "0.25.4",\n  app: [args: ~w(js/app.js)]\n\nconfig :tailwind, :version, "4.1.7"\n',
    );
  };

  test("come in the versions that the project's configuration names, and what npm says of them with them", async () => {
    await lock(esbuild, tailwind);
    await configure();
    const said = says(linux);
    serveNpm(linux, said);
    upstream.files.set("/tailwindlabs/tailwindcss/releases/download/v4.1.7/tailwindcss-linux-x64", darwin);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(`has no checksum in any package; as it came, "sha256" is ${sha256(darwin)}`),
    ]);
    expect(await held(tarball)).toEqual(linux);
    expect(await held(about)).toEqual(said);
    expect(await held("github.com/tailwindlabs/tailwindcss/releases/download/v4.1.7/tailwindcss-linux-x64")).toEqual(
      darwin,
    );
    upstream.log.length = 0;
    expect((await sync()).stdout).toMatch(/^added 0, updated 0, unchanged 5/);
    expect(upstream.log).toEqual([]);
    // Whoever asks from another folder knows the versions, too.
    expect(await run("verify", "--artefacts", "--target", "x86_64-linux-gnu")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("5 checked"),
    });
  });

  test("come in the package's own version where the project names none", async () => {
    await lock(tailwind);
    upstream.files.set("/tailwindlabs/tailwindcss/releases/download/v4.1.12/tailwindcss-linux-x64-musl", linux);
    expect(await sync("--target", "x86_64-linux-musl", "--quiet")).toMatchObject({ code: 1 });
    expect(await run("sync", "app", "--artefacts", "--target", "x86_64-linux-musl")).toMatchObject({ code: 0 });
  });

  test.each([
    [
      "by a key that the package does not know",
      () => says(linux, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
      /no key that the package knows has signed/,
    ],
    ["of another file", () => says(darwin), /another file than npm has signed/],
    ["of nothing", () => Buffer.from("{}"), /not what npm says of a package/],
  ])("do not come where npm says something %s", async (_what, said, message) => {
    await lock(esbuild);
    await configure();
    serveNpm(linux, said());
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    await expect(held(tarball)).rejects.toThrow();
  });
});

describe("what cannot be read", () => {
  const opaque = makeTarball({
    name: "opaque",
    version: "1.0.0",
    files: {
      "mix.exs":
        'defmodule Opaque.MixProject do\n  def project, do: [app: :opaque, make_precompiler_url: url()]\n  def url, do: Enum.join(["https://", host()])\nend\n',
      "checksum.exs": checksums({ "opaque-nif-2.16-x86_64-linux-gnu-1.0.0.tar.gz": linux }),
    },
  });

  test("is named, with what to write, and comes then", async () => {
    await lock(opaque);
    const { code, stderr } = await sync();
    const [, entry = "", url = ""] = /mirror\.config\.json: (\{"url": "([^"]*)".*\})/.exec(stderr) ?? [];
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/opaque 1\.0\.0 may not compile .*make_precompiler_url in mix.exs is made by code/),
    ]);
    upstream.files.set("/acme/opaque/1.0.0", linux);
    await writeFile(
      join(cwd, "mirror.config.json"),
      JSON.stringify({ files: [{ ...JSON.parse(entry), url: "https://github.com/acme/opaque/1.0.0" }] }),
    );
    const again = await sync();
    expect([again.code, again.stderr]).toEqual([0, expect.not.stringContaining("may not compile")]);
    expect(await held("github.com/acme/opaque/1.0.0")).toEqual(linux);
    expect([url, entry]).toEqual([expect.stringContaining("x86_64-linux-gnu"), expect.stringContaining(sha256(linux))]);
  });
});
