/**
 * Which settings turn the verification of certificates off for git, where it runs so: of the system, the user, the project
 * and the environment together, for all hosts or one URL. Git itself says what counts as off.
 */
import { tryGit } from "./run.ts";

interface Where {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** @returns their names, as git has them: `http.sslverify`, `http.https://host/.sslverify` @throws MirrorError */
export async function unverifiedSettings({ env, cwd }: Where): Promise<string[]> {
  const variables = Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const ask = (args: readonly string[]) => tryGit(["config", ...args], { env: variables, cwd, idleSeconds: 30 });
  const { code, stdout } = await ask(["--null", "--name-only", "--get-regexp", "^http\\.(.*\\.)?sslverify$"]);
  const names = new Set(code === 0 ? stdout.toString("utf8").split("\0").filter(Boolean) : []);
  const off: string[] = [];
  for (const name of names) {
    const value = await ask(["--type=bool", "--get", name]);
    // One that is neither on nor off ends git, unless somebody says what holds.
    if (value.code !== 0 || value.stdout.toString("utf8").trim() !== "true") off.push(name);
  }
  return off;
}
