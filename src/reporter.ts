/** How long work tells what it does; the command line shows it, tests collect it. */
import type { Item } from "./names/item.ts";

export interface Brought {
  readonly item: Item;
  /** `none`: upstream has none, which is no failure. */
  readonly outcome: "added" | "updated" | "unchanged" | "none";
  /** Received for it. */
  readonly bytes: number;
}

export interface Failed {
  readonly item: Item;
  readonly error: unknown;
}

export type Outcome = Brought | Failed;

export interface Reporter {
  /** So many items more will be worked on. */
  readonly begin: (count: number) => void;
  readonly done: (brought: Brought) => void;
  readonly failed: (item: Item, error: unknown) => void;
  /** Bytes have arrived. */
  readonly received: (bytes: number) => void;
  /** A host was asked, once; `isAnswered`: for what it was asked, it had an answer. */
  readonly asked: (host: string, isAnswered: boolean) => void;
  /** What a slow item is doing just now. */
  readonly progress: (item: Item, text: string) => void;
  /** Something worth a line of its own. @param item what the sentence is about, as its subject */
  readonly note: (text: string, item?: Item) => void;
  /** The same, for what somebody should do something about. */
  readonly warn: (text: string, item?: Item) => void;
}

/** For work that nobody watches. */
export const silentReporter: Reporter = {
  begin: () => undefined,
  done: () => undefined,
  failed: () => undefined,
  received: () => undefined,
  asked: () => undefined,
  progress: () => undefined,
  note: () => undefined,
  warn: () => undefined,
};

/** How transfers are watched and stopped. */
export function transferOf({ signal, reporter }: { readonly signal: AbortSignal; readonly reporter: Reporter }) {
  return { signal, onBytes: reporter.received };
}
