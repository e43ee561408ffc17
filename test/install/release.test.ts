/** The steps of a release that need nobody else, in a clone of their own. */
import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as z from "zod";
import { temporaryFolder } from "../support/folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("check.sh wants the tag, the version and the changelog to say one thing, and all of it committed", async () => {
  const folder = await temporaryFolder();
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  const sh = (script: string) =>
    execFileSync("sh", ["-ec", script], { cwd: folder, env, encoding: "utf8", stdio: "pipe" });
  const check = (tag: string) => {
    try {
      return sh(`scripts/release/check.sh ${tag} 2>&1`);
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  };
  sh(`git init -q && mkdir -p scripts/release && cp ${root}/scripts/release/check.sh scripts/release/`);
  await writeFile(join(folder, "package.json"), '{"version": "1.2.3"}\n');
  await writeFile(join(folder, "CHANGELOG.md"), "# Changelog\n\n## Unreleased\n");
  sh("git add -A && git -c user.name=t -c user.email=t@t commit -qm all");
  expect(check("v1.2.4")).toBe("release: the tag is v1.2.4, and package.json says 1.2.3\n");
  expect(check("v1.2.3")).toBe("release: CHANGELOG.md begins with Unreleased, not with 1.2.3\n");
  await writeFile(join(folder, "CHANGELOG.md"), "# Changelog\n\n## 1.2.3\n");
  expect(check("v1.2.3")).toMatch(/^release: there is what is not committed: +M CHANGELOG\.md/);
  sh("git -c user.name=t -c user.email=t@t commit -qam all");
  expect(check("v1.2.3")).toBe("release: 1.2.3\n");
});

test("a packing that was killed is mended by the next run, unless package.json is another by then", async () => {
  const folder = await temporaryFolder();
  for (const path of ["bin", "scripts", "node_modules"]) await mkdir(join(folder, path));
  for (const file of ["bin/node-version.cjs", "scripts/bootstrap.js"]) await cp(join(root, file), join(folder, file));
  const kept = join(folder, "node_modules/.mirror-server-package.json");
  const manifest = join(folder, "package.json");
  const whole = await readFile(join(root, "package.json"), "utf8");
  const { scripts, ...rest } = JSON.parse(whole) as { scripts: Record<string, string> };
  const { prepare, ...others } = scripts;
  expect(prepare).toContain("bootstrap.js");
  const mend = () => execFileSync(process.execPath, [join(folder, "scripts/bootstrap.js"), "packed"], { cwd: folder });
  for (const [found, expected] of [
    [`${JSON.stringify({ ...rest, scripts: others }, null, 2)}\n`, whole],
    [whole.replace("0.1.0", "0.2.0"), whole.replace("0.1.0", "0.2.0")],
  ] as const) {
    await writeFile(kept, whole);
    await writeFile(manifest, found);
    mend();
    expect(await readFile(manifest, "utf8")).toBe(expected);
    await expect(readFile(kept)).rejects.toThrow("ENOENT");
  }
});

test("dist tells what it is made of, part by part, and holds the licence of each", async () => {
  const schema = z.object({
    components: z.array(z.object({ name: z.string(), version: z.string(), purl: z.string() })),
  });
  const { components } = schema.parse(JSON.parse(await readFile(join(root, "dist/sbom.cdx.json"), "utf8")));
  const licences = await readFile(join(root, "dist/LICENSES.txt"), "utf8");
  const installed = (name: string) => readFile(join(root, "node_modules", name, "package.json"), "utf8");
  expect(components.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["fastify", "undici", "pino", "node-forge"]),
  );
  for (const { name, version } of components) expect(licences).toContain(`${name} ${version} (`);
  const fastify = components.find(({ name }) => name === "fastify");
  expect(JSON.parse(await installed("fastify"))).toMatchObject({ version: fastify?.version });
  expect(components.map(({ name }) => name)).not.toContain("vitest");
});
