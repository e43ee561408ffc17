/**
 * What is killed: each of the program's jobs that write, on a mirror that holds something and is to hold something else
 * afterwards. Upstreams are real servers on loopback.
 */
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { generatePrivateKey } from "../../../src/hex/keys.ts";
import { mirrorServer } from "../cli.ts";
import type { Running, Use, Used } from "./kill-at.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../git.ts";
import { startHexUpstream } from "../hex-upstream.ts";
import { makeTarball, mixLock, type MadeTarball } from "../tarballs.ts";
import { ask } from "../wire.ts";

export interface Scenario {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it begins with; copied for each run. */
  readonly template: string;
  readonly use?: Use;
}

export const names = ["sync", "build", "prune", "pull", "watch", "git"] as const;
export type Name = (typeof names)[number];

const releases = (name: string, ...versions: string[]) => versions.map((version) => makeTarball({ name, version }));
const held = [...releases("alder", "1.0.0"), ...releases("birch", "1.0.0", "1.1.0"), ...releases("cedar", "2.0.0")];
const newer = [...releases("alder", "1.1.0"), ...releases("dogwood", "0.1.0"), ...releases("elm", "3.0.0", "3.1.0")];

/** @param root a folder for it; what it starts ends with the test */
export async function prepare(name: Name, root: string): Promise<Scenario> {
  const template = join(root, "template");
  await mkdir(join(template, "app"), { recursive: true });
  await mkdir(join(template, "tmp"));
  const hex = await startHexUpstream([...held, ...newer]);
  const repositories = await startGitUpstream(join(root, "upstream"));
  const work = join(root, "upstream/owner/repo.git");
  const first = await makeRepository(work, { "a.txt": "a\n" });
  await git(work, ["branch", "gone"]);
  await makeRepository(join(root, "upstream/owner/other.git"), { "b.txt": "b\n" });
  const key = await hex.writePublicKey(join(root, "upstream.pem"));
  await writeFile(join(root, "key.pem"), generatePrivateKey(), { mode: 0o600 });
  const lock = async (folder: string, tarballs: readonly MadeTarball[], entries: readonly string[] = []) =>
    writeFile(join(folder, "app/mix.lock"), mixLock(tarballs, [...entries]));
  const environment = {
    PATH: process.env["PATH"] ?? "",
    GIT_CONFIG_NOSYSTEM: "1",
    MIRROR_HEX_URL: hex.url,
    MIRROR_HEX_PUBLIC_KEY: key,
    MIRROR_PRIVATE_KEY: join(root, "key.pem"),
    ...redirectGit({ "https://github.com/": `${repositories.url}/` }),
  };
  const run = async (...args: string[]) => {
    const { code, stderr } = await mirrorServer(args, { cwd: template, env: environment });
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
  };
  const entry = (repository: string, revision: string) =>
    `"${repository}": {:git, "https://github.com/owner/${repository}.git", "${revision}", []}`;
  const serve = ["serve", "--json", "--no-tls", "--port", "0", "--builds-url", hex.url];
  await lock(template, held, [entry("repo", first)]);
  await run("sync", "app");
  switch (name) {
    case "sync":
      await lock(template, [...held.slice(1), ...newer], [entry("repo", first)]);
      return { template, env: environment, args: ["sync", "app"] };
    case "build":
      await lock(template, [...held, ...newer]);
      await run("sync", "app");
      // Half of it as it was, as if another version had written it.
      for (const lost of ["names", "versions", "packages/alder", "packages/elm"]) {
        await rm(join(template, ".mirror/hex", lost));
      }
      await rm(join(template, ".cache"), { recursive: true });
      return { template, env: environment, args: ["build"] };
    case "prune":
      await lock(template, [...held.slice(1, 2), ...newer.slice(0, 2)]);
      await run("sync", "app");
      return { template, env: environment, args: ["prune"] };
    case "pull":
      return {
        template,
        env: { ...environment, MIRROR_OFFLINE: "false" },
        args: serve,
        use: pull,
      };
    case "watch":
      await lock(template, [...held.slice(1), ...newer], [entry("repo", first)]);
      return {
        template,
        env: { ...environment, MIRROR_OFFLINE: "false", MIRROR_PULL: "false" },
        args: [...serve, "--watch", "app"],
        use: untilSynced,
      };
    case "git": {
      await git(work, ["branch", "-D", "gone"]);
      await git(work, ["checkout", "-q", "-b", "gone/deeper"]);
      const second = await commit(work, { "c.txt": "c\n" }, "second");
      await git(work, ["checkout", "-q", "main"]);
      const other = await git(join(root, "upstream/owner/other.git"), ["rev-parse", "HEAD"]);
      await lock(template, held, [entry("repo", second), entry("other", other)]);
      return { template, env: environment, args: ["sync", "app"] };
    }
  }
}

async function pull({ port: listening }: Used): Promise<void> {
  const port = await listening;
  const asked = ["packages/dogwood", "tarballs/dogwood-0.1.0.tar", "packages/elm", "tarballs/elm-3.0.0.tar", "names"];
  for (const path of asked) await ask(port, `/${path}`);
  await ask(port, "/github.com/owner/other.git/info/refs?service=git-upload-pack");
}

/** Where there is nothing to do, it says nothing of it. */
async function untilSynced({ port: listening, said }: Used): Promise<void> {
  const port = await listening;
  for (let looks = 0; looks < 600; looks += 1) {
    await sleep(20);
    if (said().includes('"synced"')) return;
    const isIdle = looks > 50 && !said().includes('"syncing"');
    if (isIdle && (await ask(port, "/tarballs/elm-3.1.0.tar")).status === 200) return;
  }
}

/** A folder of its own for one run. */
export async function copyOf(template: string, to: string): Promise<string> {
  await cp(template, to, { recursive: true, preserveTimestamps: true });
  return to;
}

/** How it runs in such a folder. */
export function running({ args, env, use }: Scenario, cwd: string): Running {
  return { cwd, args, use, env: { ...env, HOME: cwd, TMPDIR: join(cwd, "tmp") } };
}
