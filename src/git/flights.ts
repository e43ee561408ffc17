/** Work for one answer that several clients ask for at once: done once, for all who wait. */
import { SharedWork } from "../disk/shared-work.ts";
import { onAbort } from "../listeners.ts";
import type { GitAnswer, UploadPackRequest } from "./upload-pack.ts";

/** Asks git. @param clients all who wait for it, which grow while it waits */
export type Ask = (signal: AbortSignal, clients: ReadonlySet<string>) => Promise<GitAnswer>;

/** Who asks, and until when. */
export type Asking = Pick<UploadPackRequest, "clients" | "signal">;

interface Flight<T> {
  readonly work: SharedWork<T>;
  readonly clients: Set<string>;
}

export class Flights<T> {
  private readonly running = new Map<string, Flight<T>>();

  has(key: string): boolean {
    return this.running.has(key);
  }

  /**
   * The work that runs under `key`, begun now if none does; forgotten when it ends, unless someone else says when.
   * @param start is given what forgets it
   */
  join(
    key: string,
    asking: Asking,
    start: (stop: AbortSignal, clients: ReadonlySet<string>, work: Running) => Promise<T>,
    forget: "at its end" | "until told" = "at its end",
  ): SharedWork<T> {
    const known = this.running.get(key);
    for (const client of asking.clients) known?.clients.add(client);
    if (known !== undefined) return known.work;
    const clients = new Set(asking.clients);
    const remove = () => void (this.running.get(key)?.work === work && this.running.delete(key));
    const work = new SharedWork<T>(async (stop) => {
      // Nobody may join what is about to be stopped.
      onAbort(stop, remove);
      await Promise.resolve();
      try {
        const result = await start(stop, clients, { forget: remove, stop: () => work.stop() });
        if (forget === "at its end") remove();
        return result;
      } catch (error) {
        remove();
        throw error;
      }
    });
    this.running.set(key, { work, clients });
    return work;
  }
}

export interface Running {
  /** Who asks from now on begins anew. */
  readonly forget: () => void;
  readonly stop: () => void;
}
