/**
 * Which hosts do not answer just now, for who serves: nobody who asks for what is held waits for one, and those who ask for
 * what is not are told at once. Now and then one request tries it; whatever comes of any request says how things are.
 */

export interface AwayHost {
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** What was last wrong, in words. */
  readonly reason: string;
}

// Milliseconds between tries of a host that is away.
const usualPause = 5000;
const maxStumbles = 3;

export class HostsAway {
  private readonly hosts = new Map<string, AwayHost & { tried: number }>();
  /** Since when each is asked without having given a sign. */
  private readonly silent = new Map<string, number>();
  private readonly stumbles = new Map<string, number>();
  private readonly pause: number;
  private readonly tell: (text: string) => void;

  /** @param tell hears when one goes and when it comes back */
  constructor(tell: (text: string) => void, pause = usualPause) {
    this.tell = tell;
    this.pause = pause;
  }

  get(host: string): AwayHost | undefined {
    return this.hosts.get(host);
  }

  list(): AwayHost[] {
    return [...this.hosts.values()].map(({ host, since, reason }) => ({ host, since, reason }));
  }

  /** Whether to ask it: of those that are away, only by one now and then, who is to say so by this. */
  mayTry(host: string): boolean {
    const away = this.hosts.get(host);
    if (away === undefined) return true;
    if (Date.now() - away.tried < this.pause) return false;
    away.tried = Date.now();
    return true;
  }

  /** It is really asked, after whatever else was waited for. */
  ask(host: string): void {
    if (!this.silent.has(host)) this.silent.set(host, Date.now());
  }

  /** Something came of it. */
  hear(host: string): void {
    this.silent.delete(host);
  }

  /** Whether it has been asked for so long, and nothing came. What is waited for here is no silence of the host's. */
  isSilent(host: string, milliseconds: number): boolean {
    const since = this.silent.get(host);
    return since !== undefined && Date.now() - since >= milliseconds;
  }

  /** One question came to nothing, which may be about that alone: several in a row are about the host. */
  stumbled(host: string, reason: string): void {
    const count = (this.stumbles.get(host) ?? 0) + 1;
    this.stumbles.set(host, count);
    if (count >= maxStumbles || this.hosts.has(host)) this.failed(host, reason);
  }

  answered(host: string): void {
    this.stumbles.delete(host);
    this.hear(host);
    if (this.hosts.delete(host)) this.tell(`${host} answers again`);
  }

  failed(host: string, reason: string): void {
    const now = Date.now();
    const before = this.hosts.get(host);
    if (before === undefined) this.tell(`${host} is left alone for now, and what is held of it is served: ${reason}`);
    this.hosts.set(host, { host, since: before?.since ?? now, reason, tried: now });
  }
}

/** As people and logs are told of a time. @param milliseconds since 1970 */
export function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
