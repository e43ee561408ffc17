/** Shows long work: one line that is rewritten on a terminal, a plain line an item elsewhere. Written to stderr. */
import type { Reporter } from "../reporter.ts";
import type { Item } from "../names/item.ts";
import { FailureGroups } from "./failures.ts";
import { showItem } from "../names/shown-item.ts";
import { describeError } from "../errors.ts";
import { formatBytes, printable } from "../text.ts";

export interface ProgressOutput {
  readonly write: (text: string) => unknown;
  readonly isTerminal: boolean;
  /** Only what goes wrong is told. */
  readonly isQuiet?: boolean;
  readonly columns: () => number;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface Progress extends Reporter {
  /** Tells what was kept to be told together, and takes the rewritten line away: what follows begins on a clean one. */
  readonly finish: () => void;
}

export function createProgress(output: ProgressOutput): Progress {
  const started = output.now();
  let total = 0;
  let finished = 0;
  let bytes = 0;
  let current = "";
  let drawn = 0;
  const groups = new FailureGroups();

  const clear = () => (output.isTerminal ? output.write("\r\u001b[K") : undefined);
  const line = (text: string) => {
    clear();
    output.write(`${printable(text)}\n`);
  };
  const draw = (force: boolean) => {
    // Ten times a second is as much as anyone can read.
    if (!output.isTerminal || output.isQuiet === true || (!force && output.now() - drawn < 100)) return;
    drawn = output.now();
    const seconds = Math.max(0.001, (drawn - started) / 1000);
    const text = `${finished}/${total}  ${formatBytes(bytes)}  ${formatBytes(bytes / seconds)}/s  ${current}`;
    output.write(`\r\u001b[K${printable(text).slice(0, output.columns() - 1)}`);
  };

  return {
    asked: () => undefined,
    begin: (count) => {
      total += count;
      draw(true);
    },
    done: ({ item, outcome, bytes: size }) => {
      finished += 1;
      current = showItem(item);
      if (!output.isTerminal && output.isQuiet !== true && (outcome === "added" || outcome === "updated")) {
        line(`[${finished}/${total}] ${outcome} ${current}${size > 0 ? ` (${formatBytes(size)})` : ""}`);
      }
      draw(false);
    },
    failed: (item, error) => {
      finished += 1;
      if (!groups.add(item, error)) line(`failed ${showItem(item)}: ${describeError(error)}`);
      draw(true);
    },
    received: (count) => {
      bytes += count;
      draw(false);
    },
    progress: (item, text) => {
      current = `${showItem(item)}: ${text.trim()}`;
      draw(false);
    },
    note: (text, item) => {
      if (output.isQuiet !== true) line(sentence(text, item));
    },
    warn: (text, item) => line(`warning: ${sentence(text, item)}`),
    finish: () => {
      clear();
      for (const text of groups.takeLines()) line(text);
    },
  };
}

function sentence(text: string, item: Item | undefined): string {
  return item === undefined ? text : `${showItem(item)} ${text}`;
}
