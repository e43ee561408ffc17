/**
 * A link at every place of a mirror, to everything that a link can lead to: whatever is done with the mirror then,
 * nothing outside of it changes, nothing outside is served, and whoever did it is told which link it is.
 */
import { cp, lstat, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { describeError } from "../../src/errors.ts";
import { readMixLock } from "../../src/lock/mix-lock.ts";
import type { Mirror } from "../../src/mirror/mirror.ts";
import { startFileUpstream } from "../support/file-upstream.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { git, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { openTestMirror, type TestMirror } from "../support/mirror.ts";
import { alpha, beta, mixLock } from "../support/tarballs.ts";

const repository = "mirror/git/github.com/owner/repo.git";

/** Every place of the layout; of files of one kind, one. */
const places = [
  "mirror/mirror.json",
  "mirror/.gitignore",
  "mirror/.lock",
  "mirror/.lock/last-sync",
  "mirror/locks",
  "mirror/locks/app.json",
  "mirror/upstream",
  "mirror/upstream/hexpm",
  "mirror/upstream/hexpm/packages",
  "mirror/upstream/hexpm/packages/alpha",
  "mirror/upstream/hexpm/validators.json",
  "mirror/hex/names",
  "mirror/hex/public_key",
  "mirror/hex/packages",
  "mirror/hex/packages/alpha",
  "mirror/hex/packages/stale",
  "mirror/hex/tarballs",
  "mirror/hex/tarballs/alpha-1.0.0.tar",
  "mirror/hex/tarballs/unneeded-1.0.0.tar",
  "mirror/hex/docs",
  "mirror/hex/docs/alpha-1.0.0.tar.gz",
  "mirror/hex/installs",
  "mirror/hex/installs/hex-1.x.csv",
  "mirror/hex/repos",
  "mirror/hex/repos/acme",
  "mirror/git/github.com",
  "mirror/git/github.com/owner",
  "mirror/git/unneeded.git",
  repository,
  `${repository}/HEAD`,
  `${repository}/config`,
  `${repository}/refs`,
  `${repository}/refs/heads`,
  `${repository}/refs/.x`,
  `${repository}/objects`,
  `${repository}/objects/pack`,
  `${repository}/objects/pack/x.lock`,
  `${repository}/objects/info`,
  "mirror/files",
  "mirror/files/example.org",
  "mirror/files/example.org/tool",
  "mirror/files.json",
  "mirror/quarantine",
  "mirror/quarantine/git",
  "certs/.lock",
  "certs/public",
  "cache/index",
  "cache/git-answers",
  "cache/clients",
];
/** Not told: nothing looks there unless something is put aside, and then it is refused. */
const untold = new Set(["mirror/quarantine/git"]);

const targets = { "a folder": "victim", "a file": "victim/file", nothing: "nowhere", "its parent": "..", all: "/" };

/** What somebody keeps outside, under the names that we use. */
const precious = {
  file: "precious",
  names: "precious",
  "alpha-1.0.0.tar": "precious",
  "hex-1.x.csv": "precious",
  tool: "precious",
  x: "precious",
  HEAD: "ref: refs/heads/main\n",
  "app/mix.lock": "precious",
  "app/yarn.lock": "precious",
  "owner/repo.git/HEAD": "",
  "packages/jason": "precious",
  ".jason.tmp-0123456789ab": "precious",
  "heads/main.lock": "precious",
};

let root: string;
let base: string;
let flags: Record<string, unknown>;
let env: Record<string, string>;

beforeEach(async () => {
  root = await temporaryFolder();
  base = join(root, "base");
  const hex = await startHexUpstream([alpha, beta]);
  hex.files.set("/docs/alpha-1.0.0.tar.gz", gzipSync("documentation"));
  const files = await startFileUpstream();
  files.files.set("/tool", Buffer.from("a tool"));
  const revision = await makeRepository(join(root, "upstream/owner/repo.git"));
  const upstream = await startGitUpstream(join(root, "upstream"));
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  const key = await hex.writePublicKey(join(root, "upstream.pem"));
  const entry = `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`;
  await writeFile(join(root, "mix.lock"), mixLock([alpha, beta], [entry]));
  const list = JSON.stringify({ files: [{ url: `${files.url}/tool` }] });
  await writeFile(join(root, "mirror.config.json"), list);
  flags = {
    config: join(root, "mirror.config.json"),
    hexUrl: hex.url,
    hexPublicKey: key,
    docs: true,
    port: "0",
    tlsPort: "0",
  };
  const { mirror } = open(base);
  await mirror.sync([lockOf(entry)]);
  // Its certificate takes longer than all else.
  await (await mirror.serve(pino({ level: "silent" }))).close(0);
  await mirror.close();
});

const lockOf = (entry: string) => ({ name: "app", entries: readMixLock(mixLock([alpha, beta], [entry]), "mix.lock") });

function open(dir: string, more: Record<string, unknown> = {}): TestMirror {
  const folders = { mirror: `${dir}/mirror`, certsDir: `${dir}/certs`, cacheDir: `${dir}/cache` };
  return openTestMirror(root, { ...flags, ...folders, ...more }, env);
}

describe.each(Object.entries(targets))("links to %s", (_what, target) => {
  test("lead nowhere, whatever is done", async () => {
    const entry = `"repo": {:git, "https://github.com/owner/repo.git", "${await git(join(root, "upstream/owner/repo.git"), ["rev-parse", "HEAD"])}", []}`;
    for (const place of places) {
      const dir = join(root, "copy");
      await rm(dir, { recursive: true, force: true });
      await cp(base, dir, { recursive: true });
      for (const [name, content] of Object.entries(precious)) {
        await mkdir(dirname(join(dir, "victim", name)), { recursive: true });
        await writeFile(join(dir, "victim", name), content);
      }
      const link = join(dir, place);
      await rm(link, { recursive: true, force: true });
      await mkdir(dirname(link), { recursive: true });
      await symlink(/^[./]/.test(target) ? target : join(dir, target), link);
      const before = await snapshot(join(dir, "victim"));
      for (const [job, run] of Object.entries(jobs(dir, entry))) {
        const what = `${job} with a link at ${place}`;
        const told = await run();
        expect.soft(await snapshot(join(dir, "victim")), what).toEqual(before);
        // `verify --deep` and `sync` put a damaged repository aside, and tell of that.
        const isThere = (await lstat(link).catch(() => undefined))?.isSymbolicLink() === true;
        expect.soft(told, what).toContain(isThere && !untold.has(place) ? link : "");
      }
      expect.soft((await readdir(dir)).includes("nowhere"), place).toBe(false);
    }
  }, 240_000);
});

/** Each gives all that it says, by whatever way. */
function jobs(dir: string, entry: string): Record<string, () => Promise<string>> {
  const job =
    (work: (mirror: Mirror) => Promise<unknown>, more: Record<string, unknown> = {}) =>
    async () => {
      const { mirror, said } = open(dir, more);
      const result = await work(mirror).then((value) => JSON.stringify(value), describeError);
      await mirror.close();
      return `${said()}\n${result}`;
    };
  return {
    status: job((mirror) => mirror.status()),
    build: job((mirror) => mirror.build({ dryRun: false, adopt: [] })),
    serve: job(served),
    exec: job((mirror) =>
      mirror.withClients(
        [],
        async () => pino({ level: "silent" }),
        async () => 0,
      ),
    ),
    prune: job((mirror) => mirror.prune({ keepLocks: ["app"], dryRun: false })),
    sync: job((mirror) => mirror.sync([lockOf(entry)])),
    "verify --deep": job((mirror) => mirror.verify([lockOf(entry)], { deep: true, dryRun: false })),
  };
}

/** Asks for everything that might lead outside. @returns what was logged */
async function served(mirror: Mirror): Promise<string> {
  const log: string[] = [];
  const listening = await mirror.serve(pino({ level: "info" }, { write: (line: string) => void log.push(line) }));
  const paths = [
    "names",
    "public_key",
    "packages/alpha",
    "packages/jason",
    "packages/stale",
    "tarballs/alpha-1.0.0.tar",
    "docs/alpha-1.0.0.tar.gz",
    "installs/hex-1.x.csv",
    "repos/acme/names",
    "repos/acme/packages/jason",
    "repo.hex.pm/packages/alpha",
    "example.org/tool",
    "127.0.0.1/tool",
    "health",
  ];
  for (const path of paths) {
    const answer = await fetch(`http://127.0.0.1:${listening.port}/${path}`);
    expect(await answer.text()).not.toContain("precious");
  }
  const url = `http://127.0.0.1:${listening.port}/github.com/owner/repo.git`;
  await git(root, ["ls-remote", url], gitEnvironment).catch(() => "");
  await listening.close(0);
  return log.join("\n");
}
