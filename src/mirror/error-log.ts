/** The log of a server that serves one command: on standard error, beside what the command says. */
import { pino, type Logger } from "pino";

export function createErrorLog(level: string): Logger {
  return pino({ level }, pino.destination(2));
}
