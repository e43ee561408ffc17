/**
 * How much of what was written to a connection the other side has not taken yet. Node sees only when the system takes
 * another piece, which on a slow line may be minutes apart; Linux tells of every byte, in /proc/net/tcp (proc(5)).
 *
 * That table has a line for each connection of the machine, and thousands may be asked about in one moment: what was read stands
 * for a second, so that reading costs no more for many than for one.
 */
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { readTextSync } from "../disk/files.ts";

const lastsMilliseconds = 1000;

let known: { readonly at: number; readonly queues: ReadonlyMap<string, number> } | undefined;

/** Bytes; undefined where the system does not tell. */
export function sendQueueOf({ localPort, remotePort }: Socket): number | undefined {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const now = performance.now();
  if (known === undefined || now - known.at > lastsMilliseconds) known = { at: now, queues: readQueues() };
  return known.queues.get(`${portOf(localPort)} ${portOf(remotePort)}`);
}

/** By the ports of both ends. */
function readQueues(): Map<string, number> {
  const queues = new Map<string, number>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of linesOf(table)) {
      // `0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 …`: both ends, the state, and what waits to go and to come.
      const [, local = "", remote = "", , waiting = ""] = line.trim().split(/ +/);
      const [own, other] = [local, remote].map((end) => end.slice(end.lastIndexOf(":")));
      const ends = `${own} ${other}`;
      if (!queues.has(ends)) queues.set(ends, Number.parseInt(waiting, 16));
    }
  }
  return queues;
}

function portOf(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

function linesOf(table: string): string[] {
  try {
    return readTextSync(table).split("\n");
  } catch {
    return [];
  }
}
