/** What a long run has found, in figures: a line on the terminal, and in coverage/figures.jsonl for docs/reliability.md. */
import { appendFileSync, mkdirSync } from "node:fs";

export function tell(what: string, figures: Readonly<Record<string, number | string>>): void {
  const line = JSON.stringify({ what, ...figures });
  mkdirSync("coverage", { recursive: true });
  appendFileSync("coverage/figures.jsonl", `${line}\n`);
  process.stdout.write(`${line}\n`);
}
