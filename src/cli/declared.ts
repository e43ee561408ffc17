/**
 * Names of dependencies in a project's `mix.exs`, as far as they can be read without running it: what is written as
 * `{:name, "…`, outside of comments. Enough to tell which of the packages without releases a client meant.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfPresent } from "../disk/files.ts";

export async function declaredNames(project: string): Promise<string[]> {
  const apps = await readdir(join(project, "apps")).catch(() => []);
  const files = [project, ...apps.map((app) => join(project, "apps", app))].map((folder) => join(folder, "mix.exs"));
  const texts = await Promise.all(files.map(async (file) => (await readIfPresent(file).catch(() => undefined)) ?? ""));
  return [
    ...new Set(
      texts.flatMap((text) =>
        [
          ...text
            .toString()
            .replace(/#.*$/gm, "")
            .matchAll(/\{\s*:"?([a-z]\w*)"?\s*,\s*"/g),
        ].map(([, name = ""]) => name),
      ),
    ),
  ];
}
