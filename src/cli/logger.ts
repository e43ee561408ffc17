/** The log, on standard error: JSON lines for machines, sentences where that is a terminal, or beside what a command says. */
import { pino, type Logger } from "pino";
import type { LogLine } from "./log-sentence.ts";

/** How a line of JSON is told (log-sentence.ts); given, since what tells it is loaded before what logs. */
type Sentence = (json: string) => LogLine;

/** @param level as `--log-level` takes it */
export function createLogger(level: string, sentence: Sentence): Logger {
  // What a client sends along may be a credential.
  const options = { ...common(level), redact: ["req.headers", "headers"] };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  const isRepeated = repeats();
  return pino(options, {
    write: (json: string) => {
      const line = sentence(json);
      if (!isRepeated(line)) process.stderr.write(`${withTime(line)}\n`);
    },
  });
}

/** For a server that serves one command: what goes wrong, in sentences among those of the command. */
export function createErrorLog(level: string, sentence: Sentence): Logger {
  const write = (json: string) => void process.stderr.write(`mirror-server: ${sentence(json).text}\n`);
  return pino(common(level), { write });
}

/** An error's cause stays apart: in one text with it, it could not be seen that a sentence has said it. */
function common(level: string) {
  return { level, base: null, serializers: { err: pino.stdSerializers.errWithCause } };
}

// Each request may meet with the same trouble. Milliseconds.
const soon = 60_000;

/** Whether a warning was told a moment ago, to the letter: people read it once. */
function repeats(): (line: LogLine) => boolean {
  const told = new Map<string, number>();
  return ({ level, time, text }) => {
    if (level < 40) return false;
    // They stand in the order of their times.
    for (const [earlier, at] of told) {
      if (time - at < soon) break;
      told.delete(earlier);
    }
    if (told.has(text)) return true;
    told.set(text, time);
    return false;
  };
}

/** `21:05:07 warning: …` */
function withTime({ level, time, text }: LogLine): string {
  const word = level >= 50 ? "error: " : level >= 40 ? "warning: " : "";
  return `${new Date(time).toTimeString().slice(0, 8)} ${word}${text}`;
}
