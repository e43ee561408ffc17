/** A Node that is too old gets one sentence: so what it reads has to be in its words. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test.each(["bin/mirror-server.cjs", "bin/node-version.cjs"])("%s is in the words of an old Node", async (file) => {
  // It cannot translate these into older ones, so it refuses whatever is newer.
  const supported = { "const-and-let": false, arrow: false, "template-literal": false, "object-extensions": false };
  const source = await readFile(join(root, file), "utf8");
  await expect(transform(source, { target: "es5", supported })).resolves.toBeDefined();
  await expect(transform("const x = 1;", { target: "es5", supported })).rejects.toThrow();
});

describe.each([
  ["18.20.4", 1],
  ["20.18.3", 1],
  ["20.19.0", 0],
  ["24.1.0", 0],
])("Node %s", (version, code) => {
  test.each([
    ["bin/mirror-server.cjs", "--version"],
    ["scripts/bootstrap.js", "build"],
  ])("%s", async (file, argument) => {
    const pretend = join(await temporaryFolder(), "pretend.cjs");
    await writeFile(pretend, `Object.defineProperty(process.versions, "node", { value: ${JSON.stringify(version)} });`);
    const ran = await promisify(execFile)(process.execPath, ["--require", pretend, join(root, file), argument]).then(
      () => ({ code: 0, stderr: "" }),
      ({ code: exit, stderr }: { code: number; stderr: string }) => ({ code: exit, stderr }),
    );
    const sentence = `mirror-server: this is Node ${version}, and 20.19 or later is needed: https://nodejs.org\n`;
    expect(ran).toEqual({ code, stderr: code === 0 ? "" : sentence });
  });
});
