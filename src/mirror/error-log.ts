/** The log of a server that serves one command: sentences on standard error, beside what the command says. */
import { pino, type Logger } from "pino";
import { parseJson, printable } from "../text.ts";

interface Line {
  readonly msg?: string;
  /** What the sentence is about, by its kind and ids. */
  readonly item?: Readonly<Record<string, string>>;
}

/** @param write to standard error */
export function createErrorLog(level: string, write = (text: string) => void process.stderr.write(text)): Logger {
  return pino(
    { level, base: null },
    {
      write: (text: string) => {
        const { msg = "", item = {} } = (parseJson(text) ?? {}) as Line;
        const [, ...ids] = Object.values(item);
        write(`mirror-server: ${printable([...ids, msg].join(" "))}\n`);
      },
    },
  );
}
