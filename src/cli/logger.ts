/** The server's log: JSON lines on stderr, readable lines where that is a terminal. */
import { pino, type Logger } from "pino";

export async function createLogger(level: string): Promise<Logger> {
  const options = { level, base: null, redact: ["req.headers", "headers"] };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  // By a file of ours: what Node makes of a package that is loaded later differs from what a bundle does.
  return (await import("./terminal-logger.ts")).createTerminalLogger(options);
}
