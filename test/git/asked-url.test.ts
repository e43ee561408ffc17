import { expect, onTestFinished, test } from "vitest";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { runGit } from "../../src/git/run.ts";
import { askedUrl, leadsTo } from "../../src/git/asked-url.ts";
import { redirectGit } from "../support/git.ts";

const isSelf = leadsTo(["app_deps", "mirror.corp.example"], [8000, 8443, 80]);

test.each([
  ["http://127.0.0.1:8000/github.com/a/b", true],
  ["https://localhost:8443/github.com/a/b", true],
  ["http://[::1]:8000/a/b", true],
  ["http://app_deps/a/b", true],
  ["http://mirror.corp.example:8000/a/b", true],
  ["http://127.0.0.1:9999/a/b", false],
  ["https://github.com/a/b", false],
  ["git@github.com:a/b", false],
])("%s leads to this mirror: %s", (url, expected) => {
  expect(isSelf(url)).toBe(expected);
});

test("rules that lead back to the mirror are passed over, the user's others hold", async () => {
  const environments = await createGitEnvironments({
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    ...redirectGit({
      "https://github.com/": "http://localhost:8000/github.com/",
      "https://gitlab.com/": "ssh://git@gitlab.com/",
    }),
  });
  onTestFinished(() => environments.remove());
  const resolved = async (url: string) => {
    const asked = await askedUrl(environments.upstream(), url, isSelf);
    const { env, cwd } = environments.upstream();
    return (await runGit(["ls-remote", "--get-url", asked.url], { env: { ...env, ...asked.variables }, cwd })).trim();
  };
  expect(await resolved("https://github.com/a/b.git")).toBe("https://github.com/a/b.git");
  expect(await resolved("https://gitlab.com/a/b.git")).toBe("ssh://git@gitlab.com/a/b.git");
});
