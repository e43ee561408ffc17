/** Work that several clients wait for: begun once, and stopped when the last of them has gone. */
import { MirrorError } from "../errors.ts";
import { onAbort } from "../listeners.ts";

export class SharedWork<T> {
  private readonly controller = new AbortController();
  private readonly result: Promise<T>;
  private waiting = 0;

  /** @param work told by its signal that nobody waits any more */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.result = work(this.controller.signal);
    // Those who wait see its failure; when nobody does, nobody needs to.
    this.result.catch(() => undefined);
  }

  /** @param signal aborted when this client goes away @throws what the work throws, or MirrorError `cancelled` */
  async join(signal: AbortSignal): Promise<T> {
    this.waiting += 1;
    let stopListening: () => void = () => undefined;
    const gone = new Promise<never>((_, reject) => {
      stopListening = onAbort(signal, () => {
        this.waiting -= 1;
        if (this.waiting === 0) this.stop();
        reject(new MirrorError("cancelled", "the client went away"));
      });
    });
    gone.catch(() => undefined);
    try {
      return await Promise.race([gone, this.result]);
    } finally {
      stopListening();
    }
  }

  stop(): void {
    this.controller.abort();
  }
}
