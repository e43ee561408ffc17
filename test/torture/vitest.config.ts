import { defineConfig } from "vitest/config";
import usual from "../../vitest.config.ts";

export default defineConfig({
  test: {
    ...usual.test,
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/torture/**/*.test.ts"],
    exclude: [],
    outputFile: { json: "coverage/torture.json" },
  },
});
