import { defineConfig } from "vitest/config";
import usual from "../../vitest.config.ts";

// Which tests run before which others is told of the usual ones.
const { projects: _usual, ...shared } = usual.test ?? {};

export default defineConfig({
  test: {
    ...shared,
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/torture/**/*.test.ts"],
    exclude: [],
    // What is left in memory is told from what nobody has collected yet.
    execArgv: ["--expose-gc"],
    outputFile: { json: "coverage/torture.json" },
  },
});
