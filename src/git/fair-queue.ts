/**
 * Places for work that is expensive, shared fairly: whoever comes while one is free gets it; of those who wait, next is
 * the client that has the fewest just now, and of equals the one that was served longest ago. When too many wait, the
 * newest of the greediest is told to come back. Work that several clients wait for counts for the best placed of them.
 */
import { MirrorError } from "../errors.ts";
import { onAbort } from "../listeners.ts";

interface Waiting {
  /** Grows while it waits. */
  readonly clients: ReadonlySet<string>;
  readonly begin: (client: string) => void;
  readonly refuse: (error: MirrorError) => void;
}

export class FairQueue {
  private readonly places: number;
  private readonly maxWaiting: number;
  private readonly running = new Map<string, number>();
  private readonly waiting: Waiting[] = [];
  /** When each client that is here got its last place, counted in places. */
  private readonly served = new Map<string, number>();
  private turns = 0;

  constructor(places: number, maxWaiting: number) {
    this.places = places;
    this.maxWaiting = maxWaiting;
  }

  load(): { running: number; waiting: number } {
    return { running: this.taken(), waiting: this.waiting.length };
  }

  /**
   * Runs `work` when there is a place, which is taken until it ends.
   * @param clients whoever waits for it, by address; others may join while it waits
   * @throws MirrorError `busy`, `cancelled`, and what `work` throws
   */
  async run<T>(clients: ReadonlySet<string>, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const client = await this.place(clients, signal);
    try {
      return await work();
    } finally {
      this.release(client);
    }
  }

  /** @returns whose place it is */
  private async place(clients: ReadonlySet<string>, signal: AbortSignal): Promise<string> {
    if (signal.aborted) throw gone();
    if (this.taken() < this.places) return this.take(this.bestOf(clients));
    return new Promise<string>((resolve, reject) => {
      let stopListening: () => void = () => undefined;
      const entry: Waiting = {
        clients,
        begin: (client) => {
          stopListening();
          resolve(this.take(client));
        },
        refuse: (error) => {
          stopListening();
          reject(error);
        },
      };
      this.waiting.push(entry);
      // Whoever has gone leaves its turn to the others.
      stopListening = onAbort(signal, () => {
        this.remove(entry);
        reject(gone());
      });
      if (this.waiting.length > this.maxWaiting) this.refuseGreediest();
    });
  }

  private take(client: string): string {
    this.running.set(client, (this.running.get(client) ?? 0) + 1);
    this.served.set(client, ++this.turns);
    return client;
  }

  private release(client: string): void {
    const left = (this.running.get(client) ?? 1) - 1;
    if (left === 0) this.running.delete(client);
    else this.running.set(client, left);
    const next = this.next();
    if (next !== undefined) {
      this.remove(next.entry);
      next.entry.begin(next.client);
    }
    const isHere = this.running.has(client) || this.waiting.some(({ clients }) => clients.has(client));
    if (!isHere) this.served.delete(client);
  }

  private next(): { entry: Waiting; client: string } | undefined {
    let best: { entry: Waiting; client: string } | undefined;
    // Of one client's requests, the first.
    for (const entry of this.waiting) {
      const client = this.bestOf(entry.clients);
      if (best === undefined || this.compare(client, best.client) < 0) best = { entry, client };
    }
    return best;
  }

  private bestOf(clients: ReadonlySet<string>): string {
    return [...clients].reduce((best, client) => (this.compare(client, best) < 0 ? client : best));
  }

  /** Negative where `a` is to be served before `b`. */
  private compare(a: string, b: string): number {
    const has = (client: string) => this.running.get(client) ?? 0;
    const last = (client: string) => this.served.get(client) ?? 0;
    return has(a) - has(b) || last(a) - last(b);
  }

  private refuseGreediest(): void {
    const counts = new Map<string, number>();
    for (const { clients } of this.waiting) {
      for (const client of clients) counts.set(client, (counts.get(client) ?? 0) + 1);
    }
    const least = ({ clients }: Waiting) => Math.min(...[...clients].map((client) => counts.get(client) ?? 0));
    const most = Math.max(...this.waiting.map(least));
    const entry = this.waiting.findLast((each) => least(each) === most);
    if (entry === undefined) return;
    this.remove(entry);
    entry.refuse(new MirrorError("busy", "too many git requests at once; try again in a moment"));
  }

  private remove(entry: Waiting): void {
    const index = this.waiting.indexOf(entry);
    if (index !== -1) this.waiting.splice(index, 1);
  }

  private taken(): number {
    let total = 0;
    for (const count of this.running.values()) total += count;
    return total;
  }
}

function gone(): MirrorError {
  return new MirrorError("cancelled", "the client went away");
}
