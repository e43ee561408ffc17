/** Completions, asked of the shells themselves; one that is not installed is skipped. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { completionOf } from "../../src/cli/completion.ts";
import { isInstalled } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";

const run = promisify(execFile);
let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin/mirror-server"), "#!/bin/sh\n", { mode: 0o755 });
  for (const shell of ["bash", "zsh", "fish"])
    await writeFile(join(folder, `completion.${shell}`), completionOf(shell));
  for (const project of ["a_project", "b project"]) await mkdir(join(folder, project));
});

/** What each shell offers for a line that ends where the cursor is. */
const shells: Record<string, (line: string) => Promise<string[]>> = {
  bash: async (line) => {
    const words = line.split(" ");
    const script = `source completion.bash; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _mirror_server; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return linesOf((await run("bash", ["-c", script], { cwd: folder })).stdout);
  },
  fish: async (line) => {
    const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}`, HOME: folder };
    const script = `source completion.fish; complete -C '${line}'`;
    const { stdout } = await run("fish", ["--no-config", "-c", script], { cwd: folder, env });
    return linesOf(stdout).map((offered) => offered.split("\t")[0] ?? "");
  },
};

function linesOf(text: string): string[] {
  return text.split("\n").filter(Boolean);
}

describe.each(Object.keys(shells))("%s", (shell) => {
  const offers = async (line: string) => shells[shell]?.(line) ?? [];
  const has = isInstalled(shell, "--version");

  test.skipIf(!has)("offers commands, their options, and the words that these take", async () => {
    expect(await offers("mirror-server s")).toEqual(expect.arrayContaining(["serve", "sync", "status"]));
    expect(await offers("mirror-server s")).not.toContain("verify");
    expect(await offers("mirror-server verify --de")).toEqual(["--deep"]);
    expect(await offers("mirror-server sync --de")).toEqual(["--deadline"]);
    expect((await offers("mirror-server env --format g")).toSorted()).toEqual(["github-actions", "gitlab"]);
    expect(await offers("mirror-server certs r")).toEqual(["renew"]);
    expect(await offers("mirror-server help lap")).toEqual(["laptop"]);
  });

  test.skipIf(!has)("behind -- it is another command's; a command's name elsewhere is none", async () => {
    expect(await offers("mirror-server exec -- ech")).toContain("echo");
    expect(await offers("mirror-server why sync --dead")).toEqual([]);
  });

  test.skipIf(!has)("offers files where a lock is meant", async () => {
    const shown = (path: string) => path.replaceAll("\\", "").replace(/\/$/, "");
    expect((await offers("mirror-server sync b")).map(shown)).toContain("b project");
    expect((await offers("mirror-server sync a_pro")).map((path) => path.replace(/\/$/, ""))).toEqual(["a_project"]);
  });
});

test.skipIf(!isInstalled("zsh", "--version"))("zsh takes its script (skipped without zsh)", async () => {
  const script = `autoload -Uz compinit; compinit -u -D; source completion.zsh; print -r -- $_comps[mirror-server]; zsh -n completion.zsh`;
  const { stdout } = await run("zsh", ["-f", "-c", script], { cwd: folder });
  expect(stdout.trim()).toBe("_mirror_server");
});

test("another shell is told which there are", () => {
  expect(() => completionOf("fihs")).toThrow(/did you mean "fish"/);
});
