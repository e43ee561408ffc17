/** A line of the log as people read it: what pino writes as JSON, in a sentence. Pure. */
import type { Item } from "../names/item.ts";
import { formatBytes, parseJson, printable } from "../text.ts";
import { showItem } from "../names/shown-item.ts";

export interface LogLine {
  /** As pino numbers them: 30 info, 40 warn, 50 error. */
  readonly level: number;
  /** Milliseconds since 1970; 0 where nobody said. */
  readonly time: number;
  /** What it is about comes first; control characters are shown. */
  readonly text: string;
}

// Said already by where the line stands, or of use to machines only.
const unsaid: ReadonlySet<string> = new Set(["level", "time", "msg", "item", "reqId", "err"]);

/** @param json one line of the log; what is no JSON is told as it is */
export function logSentence(json: string): LogLine {
  const line = parseJson(json);
  if (typeof line !== "object" || line === null) return { level: 30, time: 0, text: printable(json.trim()) };
  const fields = line as Readonly<Record<string, unknown>>;
  const { level, time, msg } = fields;
  return {
    level: typeof level === "number" ? level : 30,
    time: typeof time === "number" ? time : 0,
    text: printable(msg === "request" ? requestText(fields) : eventText(fields)),
  };
}

/** `GET github.com/owner/repo/info/refs 200, 3 kB in 12 ms` */
function requestText(fields: Readonly<Record<string, unknown>>): string {
  const { method, host, path, status, bytes, ms, aborted } = fields;
  const where = `${shown(host)}${shown(path)}`;
  const ended = aborted === true ? ", and the client hung up" : "";
  return `${shown(method)} ${where} ${shown(status)}, ${formatBytes(Number(bytes))} in ${shown(ms)} ms${ended}`;
}

function eventText(fields: Readonly<Record<string, unknown>>): string {
  const { item, err } = fields;
  const msg = shown(fields["msg"]);
  const subject = typeof item === "object" && item !== null ? `${showItem(item as Item)} ` : "";
  const details = Object.entries(fields).flatMap(([key, value]) =>
    unsaid.has(key) || value === undefined || isIn(value, msg) ? [] : [`${key} ${shown(value)}`],
  );
  const cause = causeOf(err, msg);
  return `${subject}${msg}${cause}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
}

/** What an error says, where the sentence does not say so already. */
function causeOf(err: unknown, said: string): string {
  const message = typeof err === "object" && err !== null ? (err as { readonly message?: unknown }).message : undefined;
  return typeof message !== "string" || message === "" || said.includes(message) ? "" : `: ${message}`;
}

function isIn(value: unknown, text: string): boolean {
  return typeof value === "string" && value !== "" && text.includes(value);
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return `${value}`;
  if (value === undefined || value === null) return "";
  return Array.isArray(value) ? value.map(shown).join(", ") : JSON.stringify(value);
}
