import { expect, test } from "vitest";
import type { LockEntry } from "../../src/lock/entries.ts";
import { packageJobs } from "../../src/plan/packages.ts";
import { repositoryJobs } from "../../src/plan/repositories.ts";
import { skippedEntries } from "../../src/plan/skipped.ts";

const hex = (name: string, version: string, outer?: string): LockEntry => ({
  kind: "hex",
  app: name,
  name,
  version,
  repository: "hexpm",
  outerChecksum: outer,
});
const git = (url: string, revision: string): LockEntry => ({ kind: "git", app: "app", url, revision, options: {} });

test("each package comes once, with every version and what every lock demands of it", () => {
  const jobs = packageJobs([
    { name: "one", entries: [hex("b", "1.10.0"), hex("a", "1.0.0", "x")] },
    { name: "two", entries: [hex("b", "1.9.0"), hex("a", "1.0.0", "y")] },
  ]);
  expect(jobs.map(({ name, releases }) => [name, releases.map(({ version }) => version)])).toEqual([
    ["a", ["1.0.0"]],
    ["b", ["1.9.0", "1.10.0"]],
  ]);
  expect(jobs[0]?.releases[0]?.demands).toMatchObject([
    { lock: "one", outerChecksum: "x" },
    { lock: "two", outerChecksum: "y" },
  ]);
});

test("each repository comes once, however its URL is written", () => {
  const { jobs } = repositoryJobs([
    {
      name: "one",
      entries: [
        git("https://github.com/Owner/Repo.git", "1".repeat(40)),
        git("git@github.com:owner/repo", "2".repeat(40)),
        git("git://github.com/owner/repo", "1".repeat(40)),
      ],
    },
  ]);
  expect(jobs).toHaveLength(1);
  expect(jobs[0]?.entries.map(({ revision }) => revision[0])).toEqual(["1", "2", "1"]);
});

test("what cannot or need not be mirrored is told, and stops nothing", () => {
  const skipped: LockEntry = { kind: "skipped", app: "x", reason: "path", isPath: true };
  const locks = [{ name: "one", entries: [git("file:///etc", "1".repeat(40)), skipped, hex("a", "1.0.0")] }];
  expect(repositoryJobs(locks).refused).toMatchObject([{ lock: "one", app: "app" }]);
  expect(skippedEntries(locks)).toEqual([{ lock: "one", app: "x", reason: "path", isPath: true }]);
  expect(packageJobs(locks)).toHaveLength(1);
});

test("of several URLs of one repository the safest comes first, and else the one that was named first", () => {
  const urls = ["http://git.example.org/o/r", "ssh://git@git.example.org/o/r", "https://git.example.org/o/r"];
  const { jobs } = repositoryJobs([{ name: "one", entries: urls.map((url) => git(url, "1".repeat(40))) }]);
  expect(jobs.map((job) => job.urls)).toEqual([[urls[1], urls[2], urls[0]]]);
});

test("locks name repositories of the hosts and owners that are allowed, whatever their case", () => {
  const { jobs, refused } = repositoryJobs(
    [
      {
        name: "one",
        entries: ["github.com/Acme/a", "github.com/other/b", "gitlab.com/team/c", "evil.example/acme/d"].map((path) =>
          git(`https://${path}`, "1".repeat(40)),
        ),
      },
    ],
    { allowHosts: ["GitHub.com", "gitlab.com"], allowOwners: ["acme", "gitlab.com/Team"] },
  );
  expect(jobs.map(({ path }) => path)).toEqual(["Acme/a", "team/c"]);
  expect(refused.map(({ reason }) => reason)).toEqual([
    "https://github.com/other/b: the owner is none of --allow-owners",
    "https://evil.example/acme/d: the host is none of --allow-hosts",
  ]);
});
