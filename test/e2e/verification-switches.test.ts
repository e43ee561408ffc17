/** Switches that turn verification off never pass through in silence, and change nothing of what is verified. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { entrypoint } from "../../src/project/templates.ts";
import { verificationSwitches } from "../../src/verification.ts";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { runClient } from "../support/clients.ts";
import {
  makeInstallerKey,
  makeUpstreamIdentity,
  publishInstallers,
  startFileUpstream,
} from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { mixLock } from "../support/tarballs.ts";

const off = {
  GIT_SSL_NO_VERIFY: "1",
  HEX_UNSAFE_HTTPS: "1",
  HEX_UNSAFE_REGISTRY: "1",
  HEX_NO_VERIFY_REPO_ORIGIN: "1",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
};

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});

describe("sync", () => {
  let forge: RunningServer;
  let first: string;

  /** A forge with https: a mirror of ours elsewhere, whose authority nobody here knows. */
  beforeEach(async () => {
    const elsewhere = join(cwd, "forge");
    first = await makeRepository(join(cwd, "upstream/owner/repo.git"));
    const { url } = await startGitUpstream(join(cwd, "upstream"));
    await mkdir(elsewhere);
    await writeFile(
      join(elsewhere, "mix.lock"),
      mixLock([], [`"repo": {:git, "https://github.com/owner/repo.git", "${first}", []}`]),
    );
    const env = redirectGit({ "https://github.com/": `${url}/` });
    expect(await mirrorServer(["sync"], { cwd: elsewhere, env })).toMatchObject({ code: 0 });
    forge = await startServer([], { cwd: elsewhere });
    const entry = `"repo": {:git, "${forge.tlsUrl}/github.com/owner/repo.git", "${first}", []}`;
    await writeFile(join(cwd, "mix.lock"), mixLock([], [entry]));
  });

  test.each([
    ["the environment", "GIT_SSL_NO_VERIFY", { GIT_SSL_NO_VERIFY: "1" }, ""],
    ["git's configuration", "http.sslverify", {}, "[http]\n\tsslVerify = false\n"],
    [
      "git's configuration for one URL",
      "http.https://127.0.0.1:PORT.sslverify",
      {},
      '[http "https://127.0.0.1:PORT"]\n\tsslVerify = off\n',
    ],
  ])("fetches by git without a switch of %s, and names what to use instead", async (_, name, env, config) => {
    const port = String(forge.tlsPort);
    await writeFile(join(cwd, ".gitconfig"), config.replaceAll("PORT", port));
    const { code, stderr } = await mirrorServer(["sync"], { cwd, env });
    const line = `verification stays on: ${name.replace("PORT", port)} would turn it off, and is not followed\n`;
    expect([code, stderr]).toEqual([1, expect.stringContaining(line)]);
    expect(stderr).toMatch(/does not trust the server's certificate: .*GIT_SSL_CAINFO=FILE/);
    const trusted = { ...env, GIT_SSL_CAINFO: join(cwd, "forge/certs/ca.pem") };
    expect((await mirrorServer(["sync"], { cwd, env: trusted })).code).toBe(0);
  });

  test("a switch for a URL that the environment sets is not followed either", async () => {
    const env = {
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: `http.${forge.tlsUrl}/github.com/.sslVerify`,
      GIT_CONFIG_VALUE_0: "0",
    };
    const { code, stderr } = await mirrorServer(["sync"], { cwd, env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/verification stays on: http\.https:.*sslverify would/)]);
  });

  test("fetches by itself without NODE_TLS_REJECT_UNAUTHORIZED, and names what to use instead", async () => {
    const { ca, identity } = makeUpstreamIdentity();
    await writeFile(join(cwd, "ca.pem"), ca);
    await writeFile(join(cwd, "empty.lock"), "%{}\n");
    const builds = await startFileUpstream(identity);
    const key = makeInstallerKey();
    await writeFile(join(cwd, "key.pem"), key.publicKey);
    publishInstallers(
      builds,
      "hex-1.x.csv",
      [{ path: "1.14.0/hex-2.1.0.ez", line: "2.1.0,SHA512,1.14.0", content: Buffer.from("x") }],
      key,
    );
    const args = ["sync", "empty.lock", "--installers", "--builds-url", builds.url, "--builds-public-key", "key.pem"];
    const { code, stderr } = await mirrorServer(args, { cwd, env: off });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`verification stays on: ${verificationSwitches.join(", ")} would`),
    ]);
    expect(stderr).toContain("NODE_EXTRA_CA_CERTS=FILE");
    expect(builds.log).toEqual([]);
    const trusting = await mirrorServer(args, { cwd, env: { ...off, NODE_EXTRA_CA_CERTS: join(cwd, "ca.pem") } });
    expect(trusting.code).toBe(0);
  });
});

describe("clients", () => {
  const names = `^(${verificationSwitches.join("|")})=`;

  beforeEach(async () => {
    await mkdir(join(cwd, ".mirror"));
    expect((await mirrorServer(["build"], { cwd })).code).toBe(0);
  });

  test("of exec do not get them, and one line says so", async () => {
    await writeFile(join(cwd, ".gitconfig"), '[http "https://example.org"]\n\tsslVerify = false\n');
    const command =
      'env; git config --get-urlmatch http.sslverify https://example.org; echo "$(git config http.sslVerify)"';
    const { stdout, stderr } = await mirrorServer(["exec", "--port", "0", "--", "sh", "-c", command], {
      cwd,
      env: off,
    });
    // Hex's are off, since a project may ask for them as well.
    const hexOff = ["HEX_NO_VERIFY_REPO_ORIGIN=0", "HEX_UNSAFE_REGISTRY=0"];
    expect(
      stdout
        .split("\n")
        .filter((line) => new RegExp(names).test(line))
        .sort(),
    ).toEqual(hexOff);
    expect(stdout).toMatch(/\nTrue\n\n$/);
    expect(stderr).toContain(
      `verification is on: ${verificationSwitches.join(", ")}, http.https://example.org.sslverify would turn it off, and are taken out`,
    );
  });

  test("of env do not get them, until --revert gives them back", async () => {
    await writeFile(join(cwd, "show"), `env | grep -E '${names}'; echo end\n`);
    const main = new URL("../../dist/main.js", import.meta.url).pathname;
    const env = `"${process.execPath}" "${main}" env --port 9`;
    const script = `eval "$(${env})"; sh show; eval "$(${env} --revert)"; sh show | sort`;
    const { output } = await runClient("bash", ["-c", script], { cwd, env: { HOME: cwd, ...off } });
    const [within = "", after = ""] = output.split("end\n");
    expect(within.replace(/^HEX_\w+=0\n/gm, "")).toBe("");
    for (const name of verificationSwitches) expect(after).toContain(`${name}=`);
  });

  test("of the entrypoint do not get them, and it says so", async () => {
    await mkdir(join(cwd, "setup/hex"), { recursive: true });
    await mkdir(join(cwd, "setup/certs"));
    await writeFile(join(cwd, "setup/hex/public_key"), await readFile(join(cwd, ".mirror/hex/public_key")));
    await writeFile(join(cwd, "setup/certs/ca.pem"), "");
    await writeFile(join(cwd, "entrypoint.sh"), entrypoint);
    await chmod(join(cwd, "entrypoint.sh"), 0o755);
    const env = {
      PATH: process.env["PATH"] ?? "",
      HEX_REGISTRY: "http://app_deps",
      MIRROR_SETUP: join(cwd, "setup"),
      MIRROR_CLIENT_HOME: join(cwd, "clients"),
    };
    const run = (more: Record<string, string>) =>
      execFileSync("sh", ["-c", "./entrypoint.sh env 2>&1"], { cwd, env: { ...env, ...more }, encoding: "utf8" });
    const output = run(off);
    expect(output).not.toMatch(new RegExp(names, "m"));
    for (const name of verificationSwitches)
      expect(output).toContain(`mirror: ${name} would turn verification off, and is taken out`);
    expect(run({})).not.toContain("would turn verification off");
  });
});
