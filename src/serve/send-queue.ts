/**
 * How much of what was written to a connection the other side has not taken yet. Node sees only when the system takes
 * another piece, which on a slow line may be minutes apart; Linux tells of every byte, in /proc/net/tcp (proc(5)).
 */
import type { Socket } from "node:net";
import { readTextSync } from "../disk/files.ts";

/** Bytes; undefined where the system does not tell. */
export function sendQueueOf({ localPort, remotePort }: Socket): number | undefined {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const ends = [portOf(localPort), portOf(remotePort)];
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of linesOf(table)) {
      // `0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 …`: both ends, the state, and what waits to go and to come.
      const [, local = "", remote = "", , queues = ""] = line.trim().split(/ +/);
      if (local.endsWith(ends[0] ?? "") && remote.endsWith(ends[1] ?? "")) return Number.parseInt(queues, 16);
    }
  }
  return undefined;
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
