/** A mirror as an OCI image: packed, carried, pushed, checked, and taken back. */
import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { startServer } from "../support/cli.ts";
import { mirrorHere } from "../support/here.ts";
import { isInstalled } from "../support/clients.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { startRegistry } from "../support/registry-server.ts";
import { alpha, beta, lockEntry, makeTarball, mixLock, tarOf } from "../support/tarballs.ts";

const secret = makeTarball({ name: "secret", version: "1.0.0" });
const token = "s3cret-token";

let cwd: string;
let hex: HexUpstream;
let key: string;
let env: Record<string, string>;

/** A mirror with packages, an organisation's, and two git repositories, one of which wants a login. */
beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta]);
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  hex.publish([secret], { organisation: { name: "acme", token } });
  const revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  const hidden = await makeRepository(join(cwd, "upstream/owner/hidden.git"));
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  const login = `Basic ${Buffer.from("me:pass").toString("base64")}`;
  upstream.intercept = (request, response) => {
    if (request.url?.startsWith("/owner/hidden") !== true || request.headers.authorization === login) return false;
    response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    return true;
  };
  await writeFile(join(cwd, "logins"), `${upstream.url.replace("http://", "http://me:pass@")}\n`);
  const rules = redirectGit({ "https://github.com/": `${upstream.url}/` });
  const count = Number(rules["GIT_CONFIG_COUNT"]);
  env = {
    ...rules,
    GIT_CONFIG_COUNT: String(count + 1),
    [`GIT_CONFIG_KEY_${count}`]: "credential.helper",
    [`GIT_CONFIG_VALUE_${count}`]: `store --file=${join(cwd, "logins")}`,
    MIRROR_TOKEN_ACME: token,
  };
  await mkdir(join(cwd, "app"));
  const ofGit = (name: string, commit: string) =>
    `"${name}": {:git, "https://github.com/owner/${name}.git", "${commit}", []}`;
  const others = [ofGit("repo", revision), ofGit("hidden", hidden), lockEntry(secret, "", "hexpm:acme")];
  await writeFile(join(cwd, "app/mix.lock"), mixLock([alpha, beta], others));
  expect(await sync()).toMatchObject({ code: 0 });
});

const run = (command: string, ...args: string[]) => mirrorHere([command, ...args], { cwd, env });
const sync = (...args: string[]) => run("sync", "--hex-url", hex.url, "--hex-public-key", key, "app", ...args);
const at = (path: string) => join(cwd, path);
const digestIn = ({ stdout }: { stdout: string }) => /sha256:[0-9a-f]{64}/.exec(stdout)?.[0];
const readJson = async <T>(path: string) => JSON.parse(await readFile(path, "utf8")) as T;

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
  readonly annotations: Readonly<Record<string, string>>;
}
const blobAt = (image: string, digest: string) => at(`${image}/blobs/sha256/${digest.slice("sha256:".length)}`);
const manifestOf = async (image: string) => {
  const index = await readJson<{ manifests: { digest: string }[] }>(at(`${image}/index.json`));
  return readJson<Manifest>(blobAt(image, index.manifests[0]?.digest ?? ""));
};
/** Every path in the layers of an image, with what stands there. */
const filesIn = async (image: string) => {
  const { layers } = await manifestOf(image);
  return layers.flatMap(({ digest }) =>
    execFileSync("tar", ["-tf", blobAt(image, digest)], { encoding: "utf8" })
      .split("\n")
      .filter((path) => /[^/]$/.test(path)),
  );
};
/** An image of these files, as anybody could make one. */
const craft = async (name: string, layer: Buffer, { gzip = false } = {}) => {
  const blobs = at(`${name}/blobs/sha256`);
  await mkdir(blobs, { recursive: true });
  const put = async (bytes: Buffer) => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(blobs, digest), bytes);
    return { digest: `sha256:${digest}`, size: bytes.length };
  };
  const media = "application/vnd.oci.image";
  const stored = await put(gzip ? gzipSync(layer) : layer);
  const diff = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  const config = await put(
    Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [diff] } })),
  );
  const manifest = await put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: `${media}.config.v1+json`, ...config },
        layers: [{ mediaType: `${media}.layer.v1.tar${gzip ? "+gzip" : ""}`, ...stored }],
      }),
    ),
  );
  await writeFile(at(`${name}/oci-layout`), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    at(`${name}/index.json`),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: `${media}.manifest.v1+json`, ...manifest }] }),
  );
};

/** What verify says of an image: what is private is missing, and nothing else may be amiss. */
const lookedAt = async (image: string) => (await run("verify", "--oci", image)).stdout;

/** One more layer, named as ours are. */
const addLayer = async (image: string, layer: Buffer) => {
  const manifest = await manifestOf(image);
  const put = async (bytes: Buffer) => {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await writeFile(blobAt(image, digest), bytes);
    return { digest, size: bytes.length };
  };
  const config = await readJson<{ rootfs: { diff_ids: string[] } }>(blobAt(image, manifest.config.digest));
  const stored = await put(layer);
  config.rootfs.diff_ids.push(stored.digest);
  const annotations = { "io.github.mirror-server.layer": "changes" };
  const layers = [...manifest.layers, { ...manifest.layers[0], annotations, ...stored }];
  const changed = {
    ...manifest,
    config: { ...manifest.config, ...(await put(Buffer.from(JSON.stringify(config)))) },
    layers,
  };
  const index = await readJson<{ manifests: object[] }>(at(`${image}/index.json`));
  const manifests = [{ ...index.manifests[0], ...(await put(Buffer.from(JSON.stringify(changed)))) }];
  await writeFile(at(`${image}/index.json`), JSON.stringify({ ...index, manifests }));
};

describe("packed", () => {
  test("it holds what anybody could have, and tells what it does not hold", async () => {
    const { code, stdout } = await run("pack", "image");
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^left out the registry of hexpm:acme: it may be private$/m),
    ]);
    expect(stdout).toMatch(/^left out https:\/\/github\.com\/owner\/hidden: it was fetched with a login/m);
    const files = await filesIn("image");
    expect(files).toContain("mirror/hex/tarballs/alpha-1.0.0.tar");
    expect(files).toContain("mirror/git/github.com/owner/repo.git/HEAD");
    expect(files).toContain("mirror/locks/app.json");
    expect(files.filter((path) => /secret|acme|hidden|private_key|\.lock|ca\.key/.test(path))).toEqual([]);
    const { annotations } = await manifestOf("image");
    expect(annotations).toMatchObject({
      "io.github.mirror-server.locks": "app",
      "io.github.mirror-server.registry": expect.stringMatching(/^SHA256:/),
    });
    expect(JSON.stringify(annotations)).not.toMatch(/20\d\d-/);
    const all = await run("pack", "private", "--with-private");
    expect(all.stdout).not.toMatch(/left out/);
    expect(await filesIn("private")).toContain("mirror/hex/repos/acme/tarballs/secret-1.0.0.tar");
  });

  test("an unchanged mirror is an unchanged image, whoever packs it, in whatever order and at whatever time", async () => {
    const first = digestIn(await run("pack", "image"));
    await cp(at(".mirror"), at("copy"), { recursive: true });
    for (const name of await readdir(at("copy/hex/packages"))) {
      await utimes(at(`copy/hex/packages/${name}`), 1, 1);
      await chmod(at(`copy/hex/packages/${name}`), 0o600);
    }
    await sync();
    expect(digestIn(await run("pack", "other", "--mirror", "copy"))).toBe(first);
    await utimes(at("image/index.json"), 1, 1);
    const times = async () =>
      Promise.all(
        [
          at("image/index.json"),
          ...(await readdir(at("image/blobs/sha256"))).map((name) => at(`image/blobs/sha256/${name}`)),
        ].map(async (path) => (await stat(path)).mtimeMs),
      );
    const before = await times();
    expect(digestIn(await run("pack", "image"))).toBe(first);
    expect(await times()).toEqual(before);
    expect(digestIn(await run("pack", "image.tar"))).toBe(first);
    expect(digestIn(await run("pack", "image", "--onto", "image"))).toBe(first);
  });

  test("a new release is one more layer, and what is gone is gone", async () => {
    await run("pack", "first");
    const before = await manifestOf("first");
    const newer = makeTarball({ name: "alpha", version: "1.1.0" });
    hex.publish([alpha, newer, beta]);
    await sync("--package", "alpha@1.1.0");
    await rm(at(".mirror/git/github.com/owner"), { recursive: true });
    const { stdout } = await run("pack", "second", "--onto", "first");
    expect(stdout).toMatch(/^packed .* in \d+ layers, [\d.]+ kB of them new/m);
    const after = await manifestOf("second");
    expect(after.layers.slice(0, -1).map(({ digest }) => digest)).toEqual(before.layers.map(({ digest }) => digest));
    expect((await run("unpack", "second", "--mirror", "taken")).code).toBe(0);
    expect(await readdir(at("taken/hex/tarballs"))).toEqual(await readdir(at(".mirror/hex/tarballs")));
    await expect(readdir(at("taken/git/github.com/owner"))).rejects.toThrow("ENOENT");
    // Packed anew, it is the same mirror.
    expect((await run("pack", "anew", "--mirror", "taken")).code).toBe(0);
  });

  test("while syncs bring more, each image is whole", async () => {
    const work = at("upstream/owner/repo.git");
    const published = [alpha, beta];
    for (const [round, version] of ["1.1.0", "1.2.0", "1.3.0"].entries()) {
      published.push(makeTarball({ name: "alpha", version }));
      hex.publish(published);
      const revision = await commit(work, { [`file-${round}`]: version }, version);
      const repo = `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`;
      await writeFile(at("app/mix.lock"), mixLock([alpha, beta], [repo]));
      const results = await Promise.all([sync("--package", `alpha@${version}`), run("pack", `image-${round}`), sync()]);
      expect(results.map(({ code, stderr }) => [code, code === 0 ? "" : stderr])).toEqual([
        [0, ""],
        [0, ""],
        [0, ""],
      ]);
      const taken = await run("unpack", `image-${round}`, "--mirror", `taken-${round}`);
      expect([taken.code, taken.stderr]).toEqual([0, expect.anything()]);
    }
  });

  test("again, what was damaged there is right", async () => {
    const first = digestIn(await run("pack", "image"));
    const { layers } = await manifestOf("image");
    const [blob = ""] = layers.map(({ digest }) => blobAt("image", digest));
    const bytes = await readFile(blob);
    bytes[bytes.length - 1] = 1;
    await writeFile(blob, bytes);
    expect((await run("verify", "--oci", "image")).code).toBe(1);
    expect(digestIn(await run("pack", "image"))).toBe(first);
    expect(await lookedAt("image")).toMatch(/^[23] missing/m);
    await run("pack", "other");
    await writeFile(blobAt("other", layers[0]?.digest ?? ""), bytes);
    await run("pack", "other", "--onto", "image");
    expect(await lookedAt("other")).toMatch(/^[23] missing/m);
  });

  test("it is called what engines take", async () => {
    const called = async (tag: string) => {
      const { code } = await run("pack", "image.tar", "--tag", tag);
      if (code !== 0) return code;
      const read = (name: string): unknown =>
        JSON.parse(execFileSync("tar", ["-xOf", at("image.tar"), name], { encoding: "utf8" }));
      const { manifests } = read("index.json") as { manifests: { annotations: Record<string, string> }[] };
      const [ofDocker] = read("manifest.json") as { RepoTags: string[] }[];
      return [...Object.values(manifests[0]?.annotations ?? {}), ...(ofDocker?.RepoTags ?? [])];
    };
    expect(await called("2.0")).toEqual(["docker.io/library/mirror:2.0", "2.0", "mirror:2.0"]);
    const own = "registry.corp.example:5000/team/mirror:1";
    expect(await called(own)).toEqual([own, "1", own]);
    expect(await called("mirror:1:2")).toBe(2);
  });

  test("what stands in the way stays, and is named", async () => {
    await mkdir(at("mine"));
    await writeFile(at("mine/thesis.txt"), "years of work");
    const { code, stderr } = await run("pack", "mine");
    expect([code, stderr]).toEqual([2, expect.stringMatching(/mine holds something else/)]);
    expect(await readFile(at("mine/thesis.txt"), "utf8")).toBe("years of work");
    await writeFile(at("file"), "mine");
    expect((await run("pack", "file")).stderr).toMatch(/is a file/);
    expect((await run("pack", "mine", "--tar")).stderr).toMatch(/is a folder/);
    // The key that everything rests on, another's archive, another's image, another's signature.
    for (const name of [".mirror/private_key.pem", ".mirror/files/image"]) {
      expect((await run("pack", name, "--tar")).stderr).toMatch(/lies within/);
    }
    expect((await run("pack", "file", "--tar")).stderr).toMatch(/is a file of something else/);
    expect(await readFile(at("file"), "utf8")).toBe("mine");
    await craft("others", tarOf({ "x/y": new Uint8Array(1) }));
    const before = await snapshot(at("others"));
    expect((await run("pack", "others")).stderr).toMatch(/holds another image/);
    expect(await snapshot(at("others"))).toEqual(before);
    await writeFile(at("y.sig"), "mine");
    expect((await run("pack", "y")).stderr).toMatch(/is something else; give the image another name/);
    // One that was begun and not finished is nobody's loss.
    await mkdir(at("begun/blobs/sha256"), { recursive: true });
    await writeFile(at("begun/oci-layout"), "{}");
    expect((await run("pack", "begun")).code).toBe(0);
    expect((await run("pack")).stderr).toMatch(/give one name/);
    expect((await run("pack", "x", "--onto", "nothing")).stderr).toMatch(/there is no image in/);
    expect(await readdir(cwd)).not.toContain("x");
  });
});

describe("onto an earlier image", () => {
  const namesIn = async (image: string) => (await filesIn(image)).join("\n");
  const ontoIt = async (image: string, earlier: string, ...more: string[]) => {
    const { code, stdout, stderr } = await run("pack", image, "--onto", earlier, ...more);
    expect(code).toBe(0);
    return stdout + stderr;
  };

  test("a layer with what would stay here by now does not go along, covered or not", async () => {
    await run("pack", "private", "--with-private");
    expect(await ontoIt("second", "private")).toMatch(
      /a layer of the image before has .*, which may be private, so that all/,
    );
    expect(await namesIn("second")).not.toMatch(/secret|acme|hidden/);
    // One that was open, and is not any more; one that was closed, and is gone.
    await run("pack", "open");
    const access = at(".mirror/git/github.com/owner/repo.git/mirror-access");
    await writeFile(access, "git login\n");
    expect(await ontoIt("closed", "open")).toMatch(/owner\/repo\.git, which may be private/);
    expect(await namesIn("closed")).not.toMatch(/owner\/repo/);
    await rm(at(".mirror/hex/repos"), { recursive: true });
    for (const room of ["upstream", "history"]) await rm(at(`.mirror/${room}/hexpm/repos`), { recursive: true });
    await run("pack", "closed-private", "--with-private");
    await rm(at(".mirror/git/github.com/owner"), { recursive: true });
    expect(await ontoIt("gone", "closed-private")).toMatch(/\.git, which may be private/);
    expect(await namesIn("gone")).not.toMatch(/owner/);
    // With them it is what was asked for.
    expect(await ontoIt("all", "closed-private", "--with-private")).not.toMatch(/packed anew/);
  });

  test("a layer that somebody put there does not come under our signature", async () => {
    await run("pack", "first");
    await addLayer("first", tarOf({ "app/dist/main.js": Buffer.from("theirs") }));
    expect(await ontoIt("next", "first")).toMatch(/has app\/dist\/main\.js, which is no part of a mirror/);
    expect(await namesIn("next")).not.toMatch(/^app/m);
  });
});

describe("two at once", () => {
  test("at one name: each is whole when its turn is over", async () => {
    await cp(at(".mirror"), at("copy"), { recursive: true });
    await rm(at("copy/git"), { recursive: true });
    await rm(at("copy/hex/docs"), { recursive: true, force: true });
    for (let round = 0; round < 3; round++) {
      const results = await Promise.all([run("pack", "image"), run("pack", "image", "--mirror", "copy")]);
      expect(results.map(({ code, stderr }) => [code, code === 0 ? "" : stderr])).toEqual([
        [0, ""],
        [0, ""],
      ]);
      const { layers } = await manifestOf("image");
      expect((await readdir(at("image/blobs/sha256"))).length).toBe(
        new Set(layers.map(({ digest }) => digest)).size + 2,
      );
      expect(await lookedAt("image")).toMatch(/^[23] missing/m);
    }
    await run("unpack", "image", "--mirror", "first");
    await symlink("first", at("current"));
    const taken = await Promise.all([1, 2, 3].map(async () => run("unpack", "image", "--mirror", "current")));
    expect(taken.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await readdir(at("current/hex"))).toContain("names");
    expect((await readdir(cwd)).filter((name) => name.startsWith("."))).toEqual([".cache", ".mirror"]);
  });

  test("documentation that is replaced meanwhile is packed as it is then", async () => {
    const docs = at(".mirror/hex/docs/alpha-1.0.0.tar.gz");
    await mkdir(dirname(docs), { recursive: true });
    const docsOf = (size: number) => gzipSync(tarOf({ "index.html": randomBytes(size) }));
    await writeFile(docs, docsOf(1));
    const packing = run("pack", "image");
    for (let size = 1; size < 40; size++) {
      await writeFile(at("new"), docsOf(size * 100));
      await rename(at("new"), docs);
      await sleep(15);
    }
    const { code, stderr } = await packing;
    expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
    expect(await lookedAt("image")).toMatch(/^[23] missing/m);
  });
});

describe("what only this user may read", () => {
  const leftOut = async () => (await run("pack", "image")).stdout.match(/^left out https:.*$/gm) ?? [];
  const again = async (more: Record<string, string>) => {
    await rm(at(".mirror/git"), { recursive: true });
    const count = Number(env["GIT_CONFIG_COUNT"]);
    const settings = Object.entries(more).flatMap(([name, value], index) => [
      [`GIT_CONFIG_KEY_${count + index}`, name],
      [`GIT_CONFIG_VALUE_${count + index}`, value],
    ]);
    const saved = env;
    env = {
      ...env,
      ...(Object.fromEntries(settings) as Record<string, string>),
      GIT_CONFIG_COUNT: String(count + Object.keys(more).length),
    };
    expect(await sync()).toMatchObject({ code: 0 });
    env = saved;
  };

  test.each([
    ["a header of theirs", { "http.extraHeader": "PRIVATE-TOKEN: abc" }],
    ["a cookie", { "http.extraHeader": "Cookie: session=abc" }],
    ["a client certificate", { "http.sslCert": "/nowhere/client.pem" }],
  ])("stays: %s", async (_, settings) => {
    expect(await leftOut()).toHaveLength(1);
    await again(settings);
    expect(await leftOut()).toHaveLength(2);
  });

  test("stays: what comes from another mirror, or from this machine", async () => {
    await run("sync", "--if-changed");
    const server = await startServer(["--no-tls"], { cwd, env });
    const args = ["sync", "app", "--mirror", "chained", "--upstream", server.url, "--hex-public-key", key];
    await mirrorHere(args, { cwd, env: { MIRROR_TOKEN_ACME: token } });
    expect(await readFile(at("chained/git/github.com/owner/repo.git/mirror-access"), "utf8")).toBe("git login\n");
  });

  test("what a repository's configuration holds of logins does not go along", async () => {
    const config = at(".mirror/git/github.com/owner/repo.git/config");
    await appendFile(
      config,
      '[remote "origin"]\n\turl = https://me:T0KEN@github.com/owner/repo\n[http]\n\textraheader = Authorization: T0KEN\n',
    );
    await run("pack", "image");
    const { layers } = await manifestOf("image");
    for (const { digest } of layers) expect((await readFile(blobAt("image", digest))).includes("T0KEN")).toBe(false);
    await run("unpack", "image", "--mirror", "taken");
    expect(await git(at("taken/git/github.com/owner/repo.git"), ["fsck"])).toBe("");
  });

  test("one of a version that noted nothing stays, and is told how it comes along", async () => {
    await rm(at(".mirror/git/github.com/owner/repo.git/mirror-access"));
    expect((await leftOut()).join("\n")).toMatch(
      /owner\/repo: it is not known whether anybody may read it: sync it once more/,
    );
    await sync();
    expect((await leftOut()).join("\n")).not.toMatch(/owner\/repo:/);
  });
});

describe("unpacked", () => {
  test("it is the mirror, byte for byte, but for what tells of this machine", async () => {
    await run("pack", "image.tar");
    const { code, stdout } = await run("unpack", "image.tar", "--mirror", "taken");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^unpacked sha256:/m)]);
    const missing = stdout.match(/^missing .*/gm) ?? [];
    expect(missing).toEqual([
      "missing hexpm:acme/secret 1.0.0: its tarball is not here",
      expect.stringMatching(/^missing https:\/\/github\.com\/owner\/hidden/),
    ]);
    const hashes = async (dir: string) =>
      Object.fromEntries(
        Object.entries(await snapshot(at(dir)))
          .filter(
            ([path, text]) =>
              !text.endsWith(" folder") && !/acme|hidden|added|mirror\.json|private_key|gitignore/.test(path),
          )
          .map(([path, text]) => [path, text.split(" ")[1]]),
      );
    expect(await hashes("taken")).toEqual(await hashes(".mirror"));
    expect(await readJson(at("taken/mirror.json"))).toMatchObject({ pull: false, registryName: "hexpm" });
    // The records say whose they are, as before.
    expect((await run("verify", "--oci", "image.tar")).stdout).toMatch(/^2 missing/m);
  });

  test("with all that is private it is complete", async () => {
    await run("pack", "image", "--with-private");
    const { code, stdout } = await run("verify", "--oci", "image");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^complete and intact: 5 checked for the image$/m)]);
  });

  test("a link is switched, and what it led to stays for who still reads it", async () => {
    await run("pack", "image");
    await run("unpack", "image", "--mirror", "first");
    await symlink("first", at("current"));
    await run("sync", "--hex-url", hex.url, "--hex-public-key", key, "--package", "beta@2.1.0");
    await run("pack", "image");
    const { stdout } = await run("unpack", "image", "--mirror", "current");
    expect(stdout).toMatch(/where .*current leads now/);
    const target = await readlink(at("current"));
    expect(target).toMatch(/^current\.sha256-[0-9a-f]{16}$/);
    expect(await readdir(at("first"))).toContain("hex");
    // Once more, of the same: it is laid out anew, and nothing else comes to lie there.
    await run("unpack", "image", "--mirror", "current");
    expect((await readdir(cwd)).filter((name) => name.startsWith("current"))).toEqual(["current", target]);
    // By another way, which is longer.
    await mkdir(at("deep/er"), { recursive: true });
    await rename(at("first"), at("deep/er/first"));
    await symlink("deep/er", at("short"));
    await symlink("first", at("short/current"));
    expect((await run("unpack", "image", "--mirror", "short/current")).code).toBe(0);
    expect(await readlink(at("deep/er/current"))).toBe(target);
    expect(await readdir(at("short/current"))).toContain("hex");
  });

  test("an unpack that was killed between two names loses nothing", async () => {
    await run("pack", "image");
    await run("unpack", "image", "--mirror", "taken");
    await rename(at("taken"), at(".taken.before-unpack"));
    await craft("bad", tarOf({ "mirror/private_key.pem": new Uint8Array(1) }));
    expect((await run("unpack", "bad", "--mirror", "taken")).code).toBe(1);
    expect(await readdir(at("taken"))).toContain("hex");
    expect(await readdir(cwd)).not.toContain(".taken.before-unpack");
    // Where another was begun in its place meanwhile, both stay until a person has chosen.
    await cp(at("taken"), at(".taken.before-unpack"), { recursive: true });
    await writeFile(at("taken/private_key.pem"), "mine");
    expect((await run("unpack", "image", "--mirror", "taken")).code).toBe(2);
    expect(await readdir(at(".taken.before-unpack"))).toContain("hex");
  });

  test("by its name, whole or short", async () => {
    await run("pack", "image", "--tag", "mirror:1.0");
    for (const tag of ["mirror:1.0", "1.0"]) {
      expect((await run("unpack", "image", "--mirror", "taken", "--tag", tag)).code).toBe(0);
    }
    expect((await run("unpack", "image", "--mirror", "taken", "--tag", "2.0")).stderr).toMatch(/no image called 2\.0/);
  });

  test("a mirror that is synced here, or has its key elsewhere, is not replaced either", async () => {
    await run("pack", "image");
    await rename(at(".mirror/private_key.pem"), at("kept.pem"));
    expect((await run("unpack", "image", "--private-key", "kept.pem")).stderr).toMatch(
      /signs its own registry \(with .*kept\.pem/,
    );
    expect((await run("unpack", "image")).stderr).toMatch(/is one that is synced here/);
    expect(await readdir(at(".mirror"))).toContain("locks");
  });

  test("a mirror that signs is not replaced, nor a registry by another's, nor what is none", async () => {
    await run("pack", "image");
    const before = await snapshot(at(".mirror"));
    const { code, stderr } = await run("unpack", "image");
    expect([code, stderr]).toEqual([2, expect.stringMatching(/signs its own registry/)]);
    expect(await snapshot(at(".mirror"))).toEqual(before);
    await run("unpack", "image", "--mirror", "taken");
    await mirrorHere(
      ["sync", "--mirror", "other", "--hex-url", hex.url, "--hex-public-key", key, "--package", "alpha@1.0.0"],
      { cwd, env },
    );
    await run("pack", "others", "--mirror", "other");
    expect((await run("unpack", "others", "--mirror", "taken")).stderr).toMatch(
      /clients would refuse it; say --new-key/,
    );
    expect((await run("unpack", "others", "--mirror", "taken", "--new-key")).code).toBe(0);
    await mkdir(at("mine"));
    await writeFile(at("mine/thesis.txt"), "years of work");
    expect((await run("unpack", "image", "--mirror", "mine")).stderr).toMatch(
      /mine is no mirror, and holds something else/,
    );
    expect(await readdir(at("mine"))).toEqual(["thesis.txt"]);
  });
});

describe("tampered with", () => {
  const refusedOf = async (image: string) => {
    const before = await readdir(cwd);
    const { code, stderr } = await run("unpack", image, "--mirror", "taken");
    // Nothing of it is left.
    expect(await readdir(cwd)).toEqual(before);
    return [code, stderr] as const;
  };

  test("a layer that is not what its digest says, or is not there", async () => {
    await run("pack", "image");
    const { layers } = await manifestOf("image");
    const first = blobAt("image", layers[0]?.digest ?? "");
    const bytes = await readFile(first);
    await appendFile(first, "x");
    expect(await refusedOf("image")).toEqual([1, expect.stringMatching(/is not what its name says/)]);
    await rm(first);
    expect(await refusedOf("image")).toEqual([1, expect.stringMatching(/not all of the image has arrived/)]);
    await writeFile(first, bytes);
    await run("pack", "image.tar");
    const archive = await readFile(at("image.tar"));
    await writeFile(at("half.tar"), archive.subarray(0, archive.length / 2));
    expect(await refusedOf("half.tar")).toEqual([1, expect.stringMatching(/no tar archive, or not all of one/)]);
  });

  test("a tarball that no record covers, with all digests right", async () => {
    await appendFile(at(".mirror/hex/tarballs/alpha-1.0.0.tar"), "x");
    await run("pack", "image");
    expect(await refusedOf("image")).toEqual([1, expect.stringMatching(/holds what is not right/)]);
    const { code, stdout } = await run("verify", "--oci", "image");
    expect([code, stdout]).toEqual([3, expect.stringMatching(/alpha-1\.0\.0\.tar/)]);
  });

  test("a record without its tarball, which no lock need name", async () => {
    await rm(at(".mirror/hex/tarballs/alpha-1.0.0.tar"));
    await run("pack", "image");
    expect(await refusedOf("image")).toEqual([1, expect.stringMatching(/holds what is not right/)]);
  });

  test.each<[string, Parameters<typeof tarOf>[0]]>([
    ["mirror/private_key.pem", { "mirror/private_key.pem": new Uint8Array(1) }],
    ["mirror/hex/x/../../../../../up", { "mirror/hex/x/../../../../../up": new Uint8Array(1) }],
    [
      "mirror/git/github.com/o/r.git/hooks/post-checkout",
      { "mirror/git/github.com/o/r.git/hooks/post-checkout": new Uint8Array(1) },
    ],
    ["mirror/.wh...", { "mirror/.wh...": new Uint8Array(1) }],
    ["mirror/hex/.wh.", { "mirror/hex/.wh.": new Uint8Array(1) }],
    [".wh.mirror", { ".wh.mirror": new Uint8Array(1) }],
    ["usr/../mirror/hex/names", { "usr/../mirror/hex/names": new Uint8Array(1) }],
    ["/mirror/private_key.pem", { "/mirror/private_key.pem": new Uint8Array(1) }],
    ["mirror", { mirror: new Uint8Array(1) }],
    ["mirror/git/github.com/.x/r.git/HEAD", { "mirror/git/github.com/.x/r.git/HEAD": new Uint8Array(1) }],
  ])("%s has no business there", async (path, files) => {
    await craft("crafted", tarOf(files));
    expect(await refusedOf("crafted")).toEqual([1, expect.stringContaining(JSON.stringify(path))]);
  });

  test("a link, in whatever guise", async () => {
    await mkdir(at("made/mirror/hex"), { recursive: true });
    await symlink("/etc/passwd", at("made/mirror/hex/names"));
    await craft("crafted", execFileSync("tar", ["-C", at("made"), "-cf", "-", "mirror"]));
    expect(await refusedOf("crafted")).toEqual([
      1,
      expect.stringMatching(/"mirror\/hex\/names" is neither a file nor a folder/),
    ]);
  });

  test("a file that nothing vouches for", async () => {
    await mkdir(at(".mirror/files/github.com/o/r"), { recursive: true });
    await writeFile(at(".mirror/files/github.com/o/r/tool"), "whatever");
    await run("pack", "image");
    expect(await refusedOf("image")).toEqual([1, expect.stringMatching(/holds what is not right/)]);
    expect((await run("verify", "--oci", "image")).stdout).toMatch(
      /files\/github\.com\/o\/r\/tool: files\.json has no record/,
    );
  });

  test("what unfolds to more than anybody would pack, and documents without end", async () => {
    await craft("bomb", tarOf({ "mirror/hex/names": new Uint8Array(300 * 1024 * 1024) }), { gzip: true });
    expect(await refusedOf("bomb")).toEqual([1, expect.stringMatching(/unfolds to more than it can be/)]);
    await craft("long", tarOf({ "mirror/hex/names": new Uint8Array(1) }));
    await writeFile(at("long/index.json"), " ".repeat(5 * 1024 * 1024));
    expect(await refusedOf("long")).toEqual([1, expect.stringMatching(/has more than 4194304 bytes/)]);
    // Few bytes that say the same again and again, before any signature is looked at.
    await run("pack", "often");
    const index = await readJson<{ manifests: object[] }>(at("often/index.json"));
    const [manifest = {}] = index.manifests;
    const write = async (count: number) =>
      writeFile(at("often/index.json"), JSON.stringify({ ...index, manifests: Array(count).fill(manifest) }));
    await write(5000);
    expect(await refusedOf("often")).toEqual([1, expect.stringMatching(/is no index of an OCI image/)]);
    await write(900);
    expect(await lookedAt("often")).toMatch(/^[23] missing/m);
  });

  test("a repository whose configuration runs something", async () => {
    await run("pack", "image");
    await run("unpack", "image", "--mirror", "taken");
    await appendFile(at("taken/git/github.com/owner/repo.git/config"), "[core]\n\tsshCommand = touch /tmp/never\n");
    await mkdir(at("made"), { recursive: true });
    await cp(at("taken"), at("made/mirror"), { recursive: true });
    await rm(at("taken"), { recursive: true });
    await craft("crafted", execFileSync("tar", ["-C", at("made"), "-cf", "-", "mirror"]));
    expect(await refusedOf("crafted")).toEqual([1, expect.stringMatching(/holds what is not right/)]);
  });

  test("what is no image is named", async () => {
    await mkdir(at("empty"));
    expect(await refusedOf("empty")).toEqual([1, expect.stringMatching(/is no OCI image layout/)]);
    expect(await refusedOf("nothing")).toEqual([2, expect.stringMatching(/there is no image in/)]);
    expect((await run("unpack", "nothing", "--mirror", "deep/taken")).code).toBe(2);
    expect(await readdir(cwd)).not.toContain("deep");
    await craft("crafted", tarOf({ "other/file": new Uint8Array(1) }));
    expect(await refusedOf("crafted")).toEqual([1, expect.stringMatching(/holds no mirror/)]);
  });
});

describe("signed", () => {
  const keys = async (name: string, type: "ed25519" | "rsa" | "ec") => {
    const { privateKey, publicKey } =
      type === "rsa"
        ? generateKeyPairSync("rsa", { modulusLength: 2048 })
        : type === "ec"
          ? generateKeyPairSync("ec", { namedCurve: "P-256" })
          : generateKeyPairSync("ed25519");
    await writeFile(at(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(at(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
  };

  test.each(["ed25519", "rsa", "ec"] as const)(
    "by %s, it is taken by who has that key, and nobody else's",
    async (type) => {
      await keys("mine", type);
      await keys("others", type);
      await run("pack", "image", "--sign", "mine.pem");
      const taken = await run("unpack", "image", "--mirror", "taken", "--key", "mine.pub");
      expect([taken.code, taken.stdout]).toEqual([0, expect.stringMatching(/, signed as asked for/)]);
      const others = await run("unpack", "image", "--mirror", "taken", "--key", "others.pub");
      expect([others.code, others.stderr]).toEqual([1, expect.stringMatching(/was not signed by that key/)]);
      // Another image under the same signature; its own is gone with what it was of.
      await cp(at("image.sig"), at("kept.sig"));
      await run("pack", "image", "--with-private");
      expect(await readdir(cwd)).not.toContain("image.sig");
      await cp(at("kept.sig"), at("image.sig"));
      const changed = await run("verify", "--oci", "image", "--key", "mine.pub");
      expect([changed.code, changed.stderr]).toEqual([
        1,
        expect.stringMatching(/it is another, or was changed on the way/),
      ]);
      await rm(at("image.sig"));
      expect((await run("unpack", "image", "--mirror", "taken", "--key", "mine.pub")).stderr).toMatch(
        /there is no signature/,
      );
    },
  );

  test("not by the registry's key, nor by what is none, and then nothing is packed", async () => {
    const { code, stderr } = await run("pack", "image", "--sign", ".mirror/private_key.pem");
    expect([code, stderr]).toEqual([2, expect.stringMatching(/is the key that signs the registry/)]);
    await writeFile(at("no.pem"), "no");
    expect((await run("pack", "image", "--sign", "no.pem")).stderr).toMatch(/holds no private key/);
    const exchange = generateKeyPairSync("x25519").privateKey.export({ type: "pkcs8", format: "pem" });
    await writeFile(at("x.pem"), exchange);
    expect((await run("pack", "image", "--sign", "x.pem")).stderr).toMatch(
      /is a key of the kind x25519, which signs nothing/,
    );
    const short = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({
      type: "pkcs8",
      format: "pem",
    });
    await writeFile(at("short.pem"), short);
    expect((await run("pack", "image", "--sign", "short.pem")).stderr).toMatch(/fewer than 2048 bits/);
    expect(await readdir(cwd)).not.toContain("image");
  });
});

const hasSkopeo = isInstalled("skopeo", "--version") && isInstalled("docker-registry", "--version");

describe.skipIf(!hasSkopeo)("by a registry (skopeo, docker-registry)", () => {
  const copy = (from: string, to: string, ...options: string[]) =>
    execFileSync(
      "skopeo",
      ["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", ...options, from, to],
      { cwd, stdio: "pipe", env: { PATH: process.env["PATH"] ?? "", HOME: cwd } },
    );

  test("pushed, pulled and updated: an unchanged mirror moves nothing, a changed one its change", async () => {
    const registry = await startRegistry(at("registry"));
    onTestFinished(registry.stop);
    const remote = `docker://${registry.host}/mirror:latest`;
    await run("pack", "image");
    copy("oci:image:latest", remote, "--preserve-digests");
    const before = await registry.held();
    expect(before.count).toBeGreaterThan(5);
    copy("oci:image:latest", remote, "--preserve-digests");
    expect(await registry.held()).toEqual(before);
    hex.publish([alpha, makeTarball({ name: "alpha", version: "1.1.0" }), beta]);
    await sync("--package", "alpha@1.1.0");
    const packed = digestIn(await run("pack", "next", "--onto", "image"));
    copy("oci:next:latest", remote, "--preserve-digests");
    // Its layer, its configuration and its manifest.
    expect((await registry.held()).count - before.count).toBe(3);
    copy(remote, "oci:back:latest", "--preserve-digests");
    const { code, stdout } = await run("unpack", "back", "--mirror", "taken");
    expect([code, stdout]).toEqual([0, expect.stringContaining(packed ?? "none")]);
    expect(await readdir(at("taken/hex/tarballs"))).toContain("alpha-1.1.0.tar");
  });

  test("compressed on the way it is another image, which is the same mirror", async () => {
    await run("pack", "image");
    copy("oci:image:latest", "oci:zipped:latest", "--dest-compress");
    expect((await run("unpack", "zipped", "--mirror", "taken")).code).toBe(0);
    expect(dirname(at("taken/hex"))).toBe(at("taken"));
    const { stderr, code } = await run("pack", "next", "--onto", "zipped");
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/was changed on its way, so that all layers are packed anew/),
    ]);
  });

  test("what runs: a base below, and its command", async () => {
    await craft("base", tarOf({ "app/main.js": new Uint8Array(3) }));
    await run("pack", "image", "--base", "base");
    const inspected = JSON.parse(
      execFileSync("skopeo", ["inspect", "--config", `oci:${at("image")}:latest`], { encoding: "utf8" }),
    ) as { config: { Cmd: string[]; Volumes?: object }; rootfs: { diff_ids: string[] } };
    expect(inspected.config).toMatchObject({ Cmd: ["serve", "--read-only", "--no-tls"] });
    expect((await manifestOf("image")).layers).toHaveLength(inspected.rootfs.diff_ids.length);
    expect((await run("unpack", "image", "--mirror", "taken")).code).toBe(0);
    expect((await run("pack", "twice", "--base", "image")).stderr).toMatch(/--base: .* holds a mirror already/);
    const again = await run("pack", "next", "--base", "base", "--onto", "image");
    expect(again.stdout).toMatch(/, 0 B of them new/);
  });
});

test("git's own history of it is whole after the journey, by whatever names", async () => {
  const repository = at(".mirror/git/github.com/owner/repo.git");
  for (const name of ["heads/tmp-fix", "heads/feature/tmp_x", "tags/tmp-1", "notes/commits"]) {
    await git(repository, ["update-ref", `refs/${name}`, "HEAD"]);
  }
  const refs = async (path: string) => git(path, ["for-each-ref"]);
  await run("pack", "image");
  await run("unpack", "image", "--mirror", "taken");
  const taken = at("taken/git/github.com/owner/repo.git");
  expect(await git(taken, ["fsck", "--full"])).toBe("");
  expect(await refs(taken)).toBe(await refs(repository));
  expect(await refs(taken)).toMatch(/refs\/heads\/feature\/tmp_x/);
});

test("an archive that tar made of a layout is one, too", async () => {
  await run("pack", "image");
  execFileSync("tar", ["-C", at("image"), "-cf", at("carried.tar"), "."]);
  expect((await run("unpack", "carried.tar", "--mirror", "taken")).code).toBe(0);
});
