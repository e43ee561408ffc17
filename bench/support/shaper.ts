/**
 * A slow line in front of a server on loopback: what goes through waits for the way there and back, and for its turn on a line
 * that carries so many bits a second each way, for all connections together. A new connection costs one way there and back.
 * What it leaves out: lost packets, and the slow start of TCP, which would cost all peers the same.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Line {
  /** There and back, milliseconds. */
  readonly roundTrip: number;
  readonly bitsPerSecond: number;
}

export interface ShapedLine {
  readonly url: string;
  readonly close: () => void;
}

// As much as is sent at once by one connection before another has its turn. Bytes.
const piece = 16 * 1024;

export async function startShapedLine(to: string, line: Line): Promise<ShapedLine> {
  const { hostname, port } = new URL(to);
  const [up, down] = [new Direction(line), new Direction(line)];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const connected = performance.now() + line.roundTrip;
    up.carry(client, upstream, connected);
    down.carry(upstream, client, connected);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

class Direction {
  private readonly line: Line;
  /** When what was sent so far has left. */
  private freeAt = 0;

  constructor(line: Line) {
    this.line = line;
  }

  /** @param from when anything can be sent at all */
  carry(source: Socket, target: Socket, from: number): void {
    const later = (bytes: number, work: () => void) => {
      const start = Math.max(performance.now(), from, this.freeAt);
      this.freeAt = start + (bytes * 8000) / this.line.bitsPerSecond;
      setTimeout(work, this.freeAt + this.line.roundTrip / 2 - performance.now());
    };
    source.on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += piece) {
        const part = chunk.subarray(at, at + piece);
        later(part.length, () => target.destroyed || target.write(part));
      }
    });
    source.on("end", () => later(0, () => target.end()));
    source.on("error", () => target.destroy());
    target.on("error", () => source.destroy());
  }
}
