/** The log as people read it. */
import { pino, type LogFn, type Logger, type LoggerOptions } from "pino";
import pretty from "pino-pretty";
import { printable } from "../text.ts";

export function createTerminalLogger(options: LoggerOptions): Logger {
  return pino(
    { ...options, hooks: { logMethod: logPrintable } },
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

/** As JSON, control characters are escaped; as text they would steer the terminal. */
function logPrintable(this: Logger, args: Parameters<LogFn>, method: LogFn): void {
  const plain = args.map((arg: unknown) => {
    if (typeof arg === "string") return printable(arg);
    if (typeof arg !== "object" || arg === null || arg instanceof Error) return arg;
    return Object.fromEntries(
      Object.entries(arg).map(([key, value]) => [
        key,
        typeof value === "string" ? printable(value) : (value as unknown),
      ]),
    );
  });
  method.apply(this, plain as Parameters<LogFn>);
}
