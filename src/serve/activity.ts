/** What a server does by itself: syncs that run and that ran, whom it asked. For people to look at, and for metrics. */
import type { Item } from "../names/item.ts";
import { showItem } from "../names/shown-item.ts";
import { describeError } from "../errors.ts";
import type { Work } from "../facts/shape.ts";
import type { Reporter } from "../reporter.ts";

type Running = { -readonly [Key in keyof Work]: Work[Key] };

export interface AskedHost {
  requests: number;
  failures: number;
}

// Works that have ended, and notes of each.
const mostEnded = 10;
const mostNotes = 20;

export class Activity {
  /** By host, with its port where that is not the usual one. */
  readonly hosts = new Map<string, AskedHost>();
  private readonly works: Running[] = [];
  private readonly pulls: () => readonly Work[];

  /** @param pulls what clients have asked for and is fetched just now */
  constructor(pulls: () => readonly Work[] = () => []) {
    this.pulls = pulls;
  }

  /** What runs, and the last of what ran; the newest first. */
  list(): readonly Work[] {
    return [...this.pulls(), ...this.works.toReversed()];
  }

  asked(host: string, isAnswered: boolean): void {
    const known = this.hosts.get(host) ?? { requests: 0, failures: 0 };
    known.requests += 1;
    if (!isAnswered) known.failures += 1;
    this.hosts.set(host, known);
  }

  /** Hears of nothing but whom is asked. */
  listening(to: Reporter): Reporter {
    return { ...to, asked: (host, isAnswered) => this.asked(host, isAnswered) };
  }

  /** @param run gets who is to be told of the work @throws what it throws */
  async during<T>(name: string, to: Reporter, run: (reporter: Reporter) => Promise<T>): Promise<T> {
    const work: Running = begun(name, Date.now());
    this.works.push(work);
    const ended = this.works.findIndex((each) => each.ended !== null);
    if (this.works.length > mostEnded && ended !== -1) this.works.splice(ended, 1);
    try {
      return await run(this.following(work, to));
    } catch (error) {
      note(work, describeError(error));
      work.failed += 1;
      throw error;
    } finally {
      work.ended = new Date().toISOString();
    }
  }

  private following(work: Running, to: Reporter): Reporter {
    const say = (text: string, item?: Item) => note(work, item === undefined ? text : `${showItem(item)} ${text}`);
    return {
      ...this.listening(to),
      begin: (count) => {
        work.total += count;
        to.begin(count);
      },
      done: (brought) => {
        work.done += 1;
        work.current = showItem(brought.item);
        to.done(brought);
      },
      failed: (item, error) => {
        work.done += 1;
        work.failed += 1;
        work.current = showItem(item);
        say(describeError(error), item);
        to.failed(item, error);
      },
      received: (bytes) => {
        work.bytes += bytes;
        to.received(bytes);
      },
      note: (text, item) => {
        say(text, item);
        to.note(text, item);
      },
      warn: (text, item) => {
        say(text, item);
        to.warn(text, item);
      },
    };
  }
}

/** A piece of work of which no more is known yet. @param began milliseconds since 1970 */
export function begun(name: string, began: number): Work {
  return {
    name,
    began: new Date(began).toISOString(),
    ended: null,
    total: 0,
    done: 0,
    failed: 0,
    bytes: 0,
    current: "",
    notes: [],
  };
}

function note(work: Running, text: string): void {
  work.notes = [...work.notes, text].slice(-mostNotes);
}
