/** The image's entrypoint knows the commands by name, since a program such as `env` may be called like one. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { besides, commands } from "../../src/cli/commands.ts";

test("docker/entrypoint.sh lists every command", async () => {
  const script = await readFile(new URL("../../docker/entrypoint.sh", import.meta.url), "utf8");
  const [, listed = ""] = /^ {2}(exec \| .*)\) ;;$/m.exec(script) ?? [];
  expect(listed.split(" | ").toSorted()).toEqual([...Object.keys(commands), ...Object.keys(besides)].toSorted());
});
