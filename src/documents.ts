/** The guides that come with the program. */
import { readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";

const docs = new URL("../docs/", import.meta.url);
/** Beside them. */
const others: ReadonlyMap<string, URL> = new Map([
  ["security", new URL("../SECURITY.md", import.meta.url)],
  ["changelog", new URL("../CHANGELOG.md", import.meta.url)],
]);
// What the next person who works on this needs.
const ofDevelopers: ReadonlySet<string> = new Set(["architecture"]);

/** What there is, as it is asked for: `laptop`, `configuration`; guides first. */
export function topics(): string[] {
  return [
    ...namesIn(new URL("guides/", docs)),
    ...namesIn(docs).filter((name) => !ofDevelopers.has(name)),
    ...others.keys(),
  ];
}

/** @param topic one of them @returns Markdown */
export function readDocument(topic: string): string {
  const other = others.get(topic);
  if (other !== undefined) return readFileSync(other, "utf8");
  const folder = namesIn(new URL("guides/", docs)).includes(topic) ? new URL("guides/", docs) : docs;
  return readFileSync(new URL(`${topic}.md`, folder), "utf8");
}

function namesIn(folder: URL): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .map((name) => basename(name, ".md"))
    .sort();
}
