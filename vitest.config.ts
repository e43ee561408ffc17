import { defineConfig } from "vitest/config";

// npm installs all of it anew in each of these, which takes what processors there are from tests that wait for others.
const installing = ["test/install/npm-1*.test.ts"];
// Longer, and a script of their own: test/torture/run.sh
const torture = ["test/torture/**"];

export default defineConfig({
  test: {
    // Real git, real sockets and real clients on small machines.
    testTimeout: 60_000,
    // They wait more than they work; by itself vitest leaves a processor free.
    maxWorkers: "100%",
    hookTimeout: 60_000,
    reporters: ["default", "json"],
    outputFile: { json: "coverage/results.json" },
    globalSetup: "test/support/build-once.ts",
    projects: [
      {
        extends: true,
        test: {
          name: "all",
          include: ["test/**/*.test.ts"],
          exclude: [...torture, ...installing],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: "install", include: installing, sequence: { groupOrder: 1 } } },
    ],
  },
});
