#!/usr/bin/env node
/**
 * The program's edge. It loads the rest, so that what goes wrong in that is told as everything else is: Node opens many
 * modules at once, and where that is more than a process may, it ends without us.
 */
import { describeError, hasErrno } from "./errors.ts";

async function begin(): Promise<void> {
  try {
    const { main } = await import("./cli/main.ts");
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    const remedy = hasErrno(error, "EMFILE", "ENFILE")
      ? "; raise the limit of open files (ulimit -n) to 256 or more"
      : "";
    process.stderr.write(`mirror-server: cannot be loaded: ${describeError(error)}${remedy}\n`);
    process.exitCode = 1;
  }
}

void begin();
