/** How long work tells what it does; the command line shows it, tests collect it. */
export interface Reporter {
  /** So many items will be worked on. */
  readonly begin: (total: number) => void;
  /** An item is done. `bytes` is what was received for it. */
  readonly done: (item: string, outcome: "added" | "updated" | "unchanged", bytes: number) => void;
  readonly failed: (item: string, error: unknown) => void;
  /** Bytes have arrived. */
  readonly received: (bytes: number) => void;
  /** What a slow item is doing just now. */
  readonly progress: (item: string, text: string) => void;
  /** Something worth a line of its own. */
  readonly note: (text: string) => void;
}

/** For work that nobody watches. */
export const silentReporter: Reporter = {
  begin: () => undefined,
  done: () => undefined,
  failed: () => undefined,
  received: () => undefined,
  progress: () => undefined,
  note: () => undefined,
};
