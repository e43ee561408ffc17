import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Longer, and a script of their own: test/torture/run.sh
    exclude: ["test/torture/**"],
    // Real git, real sockets and real clients on small machines.
    testTimeout: 60_000,
    // They wait more than they work; by itself vitest leaves a processor free.
    maxWorkers: "100%",
    hookTimeout: 60_000,
    reporters: ["default", "json"],
    outputFile: { json: "coverage/results.json" },
    globalSetup: "test/support/build-once.ts",
  },
});
