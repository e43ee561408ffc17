/**
 * Places for work that is expensive, shared fairly: whoever comes while one is free gets it; of those who wait, next is
 * the client that has the fewest just now. When too many wait, the newest of the greediest is told to come back.
 */
import { MirrorError } from "../errors.ts";
import { onAbort } from "../listeners.ts";

interface Waiting {
  readonly client: string;
  readonly begin: () => void;
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
    return { running: sum(this.running.values()), waiting: this.waiting.length };
  }

  /**
   * Runs `work` when there is a place, which is taken until it ends.
   * @param client whoever shares a fair part: an address @throws MirrorError `busy`, `cancelled`, and what `work` throws
   */
  async run<T>(client: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.place(client, signal);
    try {
      return await work();
    } finally {
      this.release(client);
    }
  }

  private async place(client: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw gone();
    if (sum(this.running.values()) < this.places) return this.take(client);
    await new Promise<void>((resolve, reject) => {
      let stopListening: () => void = () => undefined;
      const entry: Waiting = {
        client,
        begin: () => {
          stopListening();
          this.take(client);
          resolve();
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

  private take(client: string): void {
    this.running.set(client, (this.running.get(client) ?? 0) + 1);
    this.served.set(client, ++this.turns);
  }

  private release(client: string): void {
    const left = (this.running.get(client) ?? 1) - 1;
    if (left === 0) this.running.delete(client);
    else this.running.set(client, left);
    const next = this.next();
    if (next !== undefined) {
      this.remove(next);
      next.begin();
    }
    const isHere = this.running.has(client) || this.waiting.some((entry) => entry.client === client);
    if (!isHere) this.served.delete(client);
  }

  private next(): Waiting | undefined {
    let best: Waiting | undefined;
    const has = ({ client }: Waiting) => this.running.get(client) ?? 0;
    const last = ({ client }: Waiting) => this.served.get(client) ?? 0;
    // Of those that have as many, the one that was served longest ago; of its requests, the first.
    for (const entry of this.waiting) {
      const difference = best === undefined ? -1 : has(entry) - has(best) || last(entry) - last(best);
      if (difference < 0) best = entry;
    }
    return best;
  }

  private refuseGreediest(): void {
    const counts = new Map<string, number>();
    for (const { client } of this.waiting) counts.set(client, (counts.get(client) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const entry = this.waiting.findLast(({ client }) => counts.get(client) === most);
    if (entry === undefined) return;
    this.remove(entry);
    entry.refuse(new MirrorError("busy", "too many git requests at once; try again in a moment"));
  }

  private remove(entry: Waiting): void {
    const index = this.waiting.indexOf(entry);
    if (index !== -1) this.waiting.splice(index, 1);
  }
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

function gone(): MirrorError {
  return new MirrorError("cancelled", "the client went away");
}
