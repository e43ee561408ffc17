import { Server as SecureServer } from "node:https";
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";

/**
 * Starts a server on a free loopback port; it ends with the test, and so does every connection, also one that HTTP handed on
 * (CONNECT) and so counts no more. @returns its base URL
 */
export async function listenOnLoopback(server: Server | SecureServer): Promise<string> {
  const connections = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  );
  const scheme = server instanceof SecureServer ? "https" : "http";
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Ends what listens there, with its connections, and lets it listen on the same port again. */
export function switchable(server: Server | SecureServer) {
  const port = () => (server.address() as AddressInfo | null)?.port;
  let last = port();
  return {
    off: async () => {
      last = port() ?? last;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
    on: async () => new Promise<void>((resolve) => server.listen(last, "127.0.0.1", resolve)),
  };
}
