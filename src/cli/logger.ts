/** The log, on standard error: JSON lines for machines, sentences where that is a terminal, or beside what a command says. */
import { pino, type Logger } from "pino";
import { logSentence } from "./log-sentence.ts";

/** @param level as `--log-level` takes it */
export function createLogger(level: string): Logger {
  // What a client sends along may be a credential.
  const options = { level, base: null, redact: ["req.headers", "headers"] };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(options, { write: (json: string) => void process.stderr.write(`${withTime(json)}\n`) });
}

/** For a server that serves one command: what goes wrong, in sentences among those of the command. */
export function createErrorLog(level: string, write = (text: string) => void process.stderr.write(text)): Logger {
  return pino({ level, base: null }, { write: (json) => write(`mirror-server: ${logSentence(json).text}\n`) });
}

/** `21:05:07 warning: …` */
function withTime(json: string): string {
  const { level, time, text } = logSentence(json);
  const word = level >= 50 ? "error: " : level >= 40 ? "warning: " : "";
  return `${new Date(time).toTimeString().slice(0, 8)} ${word}${text}`;
}
