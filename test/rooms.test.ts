/**
 * The house holds: a room uses those below it, and no file is part of a circle. docs/architecture.md draws it; this reads
 * the imports.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const src = new URL("../src/", import.meta.url).pathname;

/** From the ground up. */
const rooms = [
  "ground",
  "disk",
  "names",
  "hex",
  "lock",
  "downloads",
  "plan",
  "git",
  "tls",
  "store",
  "upstream",
  "registry",
  "artifacts",
  "pack",
  "publish",
  "health",
  "facts",
  "page",
  "serve",
  "project",
  "clients",
  "pull",
  "mirror",
  "cli",
  "programs",
];
const programs = new Set(["main.ts", "worker.ts"]);
/** Files of the ground may use each other: errors, text, options, and places and names that options are about. */
const ground = new Set(["ground", "disk", "names"]);
// Of all lines, in percent: a room that is larger is two rooms.
const largest = 15;

interface Source {
  readonly file: string;
  readonly room: string;
  readonly imports: readonly string[];
  readonly lines: number;
}

const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file) && !file.includes("/gen/"))
  .map((file) => {
    const text = readFileSync(join(src, file), "utf8");
    const found = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)];
    const imports = found.map(([, path = ""]) => normalize(join(dirname(file), path)));
    return { file, room: roomOf(file), imports, lines: text.split("\n").length };
  });

function roomOf(file: string): string {
  if (file.includes("/")) return file.slice(0, file.indexOf("/"));
  return programs.has(file) ? "programs" : "ground";
}

test("every room is known", () => {
  expect([...new Set(sources.map(({ room }) => room))].sort()).toEqual(rooms.toSorted());
});

test("no room uses one above it", () => {
  const upward = sources.flatMap(({ file, room, imports }) =>
    imports
      .filter((other) => rooms.indexOf(roomOf(other)) > rooms.indexOf(room))
      .filter((other) => !(ground.has(room) && ground.has(roomOf(other))))
      .map((other) => `${file} uses ${other}`),
  );
  expect(upward).toEqual([]);
});

test("no file is part of a circle", () => {
  const byFile = new Map(sources.map((source) => [source.file, source]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" → "));
    if (way.includes(file) || done.has(file)) return;
    for (const next of byFile.get(file)?.imports ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const { file } of sources) visit(file, []);
  expect(circles).toEqual([]);
});

test(`the largest room has at most ${largest} % of the lines`, () => {
  const total = sources.reduce((sum, { lines }) => sum + lines, 0);
  const tooLarge = rooms.filter((name) => {
    const own = sources.filter(({ room }) => room === name).reduce((sum, { lines }) => sum + lines, 0);
    return own > (total * largest) / 100;
  });
  expect(tooLarge).toEqual([]);
});
