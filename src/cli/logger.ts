/** The server's log: JSON lines on stderr, readable lines where that is a terminal. */
import { pino, type Logger } from "pino";
import pretty from "pino-pretty";

export function createLogger(level: string): Logger {
  const options = { level, base: null, redact: ["req.headers", "headers"] };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(
    options,
    pretty({
      destination: 2,
      sync: true,
      translateTime: "SYS:HH:MM:ss",
      messageFormat: "{msg} {method} {host}{path} {status} {bytes} B {ms} ms",
      hideObject: false,
      singleLine: true,
    }),
  );
}
