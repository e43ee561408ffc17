/** What happens, as it happens, for pages that are open: server-sent events. https://html.spec.whatwg.org/#server-sent-events */
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { MirrorError } from "../errors.ts";
import { onGone } from "../listeners.ts";
import { digestOf } from "../disk/hot-files.ts";
import type { Answered, MirrorOverview, Work } from "../facts/shape.ts";
import type { Activity } from "./activity.ts";
import type { Traffic } from "./traffic.ts";

export interface LiveSources {
  readonly traffic: Pick<Traffic, "listen">;
  readonly activity: Pick<Activity, "list">;
  /** As `stateOf` has it, now. */
  readonly state: () => Promise<string>;
}

/** Another where the page of that would say something else. */
export function stateOf(overview: MirrorOverview): string {
  return JSON.stringify({ status: overview.status, of: digestOf(Buffer.from(JSON.stringify(overview))) });
}

// More are no people.
const most = 64;
// Milliseconds. Balancers and browsers give up on a connection that is silent for a minute.
const lookEvery = 500;
const stateEvery = 4;
const beatEvery = 10;
// Bytes that wait for a client: one that takes nothing is left behind.
const mostWaiting = 1024 * 1024;

export class LiveStreams {
  private readonly sources: LiveSources;
  private readonly streams = new Map<ServerResponse, Stream>();
  private stopListening: () => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;
  private works = "";
  private state = "";

  constructor(sources: LiveSources) {
    this.sources = sources;
  }

  /** @param mayStay asked now and then: a session may have ended @throws MirrorError `busy` */
  open(reply: FastifyReply, mayStay: () => boolean, view: View = json): FastifyReply {
    if (this.streams.size >= most) throw new MirrorError("busy", "too many pages are open");
    const { raw } = reply;
    reply.hijack();
    raw.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      // Nginx would keep it until it has a buffer full.
      "x-accel-buffering": "no",
    });
    raw.write(`retry: 3000\n\n${eventOf("works", view.works(this.sources.activity.list()))}`);
    // What came between the page and this is not lost.
    this.sources
      .state()
      .then((state) => write(raw, eventOf("state", state)))
      .catch(() => undefined);
    if (this.timer === undefined) this.begin();
    this.streams.set(raw, { view, mayStay });
    onGone(raw, raw.req.socket, () => this.leave(raw));
    return reply;
  }

  /** Ends all of them: a server that ends does not wait for pages. */
  end(): void {
    for (const raw of this.streams.keys()) {
      raw.end();
      // Who reads nothing is not waited for.
      setTimeout(() => raw.destroy(), 500).unref();
    }
  }

  private begin(): void {
    this.stopListening = this.sources.traffic.listen((answered) =>
      this.send("request", (view) => view.request(answered)),
    );
    let turn = 0;
    this.timer = setInterval(() => {
      turn += 1;
      const works = this.sources.activity.list();
      const seen = JSON.stringify(works);
      if (seen !== this.works) this.send("works", (view) => view.works(works));
      this.works = seen;
      if (turn % beatEvery === 0) this.beat();
      if (turn % stateEvery === 0) void this.lookAtState().catch(() => undefined);
    }, lookEvery).unref();
  }

  private beat(): void {
    for (const [raw, { mayStay }] of this.streams) {
      if (mayStay()) write(raw, ":\n\n");
      else raw.end();
    }
  }

  private leave(raw: ServerResponse): void {
    this.streams.delete(raw);
    if (this.streams.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.stopListening();
  }

  private async lookAtState(): Promise<void> {
    const state = await this.sources.state();
    if (state !== this.state) this.send("state", () => state);
    this.state = state;
  }

  private send(name: string, dataFor: (view: View) => string): void {
    for (const [raw, { view }] of this.streams) write(raw, eventOf(name, dataFor(view)));
  }
}

interface Stream {
  readonly view: View;
  readonly mayStay: () => boolean;
}

/** How events are written for who asked: one line each. */
export interface View {
  readonly request: (answered: Answered) => string;
  readonly works: (works: readonly Work[]) => string;
}

const json: View = { request: (answered) => JSON.stringify(answered), works: (works) => JSON.stringify(works) };

function write(raw: ServerResponse, text: string): void {
  if (raw.writableLength > mostWaiting) raw.destroy();
  else raw.write(text);
}

function eventOf(name: string, data: string): string {
  return `event: ${name}\ndata: ${data.replace(/[\r\n]+/g, " ")}\n\n`;
}
