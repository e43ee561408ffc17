/**
 * Makes `dist/` of `src/`: a handful of files, with all libraries in them, since opening and resolving four hundred takes
 * Node longer than running them. Names, comments that say where something is from, and lines stay readable; with
 * `node --enable-source-maps dist/main.js` traces name the sources. docs/decisions/0013-bundle.md tells why.
 */
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const outdir = join(root, "dist");
const options = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  sourcesContent: false,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  define: { "import.meta.url": "urlOfThisFile" },
  // Loaded by fastify for schemas and for requests without sockets only, and there are none of either here.
  external: ["@fastify/ajv-compiler", "@fastify/fast-json-stringify-compiler", "light-my-request"],
  // @fastify/static lists folders with it where it serves them, which it does not here.
  alias: { glob: "./scripts/no-glob.cjs" },
};
// Apart, since what both have would be split off the program's own files, and each file costs.
const builds = await Promise.all([
  build({ ...options, entryPoints: ["src/main.ts"], splitting: true }),
  build({ ...options, entryPoints: ["src/worker.ts"] }),
]);

// Only modules can be split; what is none loads faster. So each file is made one afterwards.
await build({
  absWorkingDir: root,
  entryPoints: readdirSync(outdir)
    .filter((name) => name.endsWith(".js"))
    .map((name) => join(outdir, name)),
  outdir,
  allowOverwrite: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  supported: { "dynamic-import": false },
  sourcemap: true,
  sourcesContent: false,
  banner: { js: '"use strict"; const urlOfThisFile = require("node:url").pathToFileURL(__filename).href;' },
  logLevel: "warning",
});
writeFileSync(join(outdir, "package.json"), '{ "type": "commonjs" }\n');

// What pages are made of in the browser: beside the files that serve it, as it lies beside them in the sources.
cpSync(join(root, "src/page/assets"), join(outdir, "assets"), { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ["src/page/browser/script.ts"],
  outdir: join(outdir, "assets"),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  logLevel: "warning",
});

/** What is in there, and the licences of it, as they ask for. */
const packages = new Map();
for (const input of builds.flatMap(({ metafile }) => Object.keys(metafile.inputs))) {
  const [, dir] = /^((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input) ?? [];
  if (dir !== undefined) packages.set(dir, JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8")));
}
writeFileSync(join(outdir, "sbom.cdx.json"), `${JSON.stringify(bom([...packages.values()]), null, 2)}\n`);
const texts = [...packages].sort().map(([dir, { name, version, license }]) => {
  const text = ["LICENSE", "LICENSE.md", "LICENCE", "LICENSE.txt", "license", "LICENSE-MIT"]
    .map((file) => readIfPresent(join(root, dir, file)))
    .find((content) => content !== undefined);
  return `${name} ${version} (${license})\n\n${text ?? "Its package holds no text of the licence.\n"}`;
});
writeFileSync(join(outdir, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));

/**
 * What the bundle is made of, for those who look for known holes: https://cyclonedx.org/docs/1.5/json/
 * @param {{ name: string, version: string, license?: string }[]} parts
 */
function bom(parts) {
  const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  /** @param {{ name: string, version: string, license?: string }} part @param {string} type */
  const component = ({ name, version, license }, type) => ({
    type,
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
  });
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: component(own, "application") },
    components: parts
      .map((part) => component(part, "library"))
      .sort((a, b) => (a.purl < b.purl ? -1 : a.purl > b.purl ? 1 : 0)),
  };
}

/** @param {string} path @returns {string | undefined} */
function readIfPresent(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
