import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { listen } from "../../src/serve/listen.ts";
import { makeAuthority, makeServerCertificate } from "../../src/tls/certificates.ts";
import { testApp } from "../support/app.ts";
import { temporaryFolder } from "../support/folder.ts";

type ServedResponse = ServerResponse & { req: IncomingMessage };

let port: number;
const size = 64 * 1024 * 1024;

beforeEach(async () => {
  const folder = await temporaryFolder();
  const { app, paths } = await testApp(folder);
  paths.hex.at("tarballs").makeFolder();
  await writeFile(join(folder, "hex/tarballs/large-1.0.0.tar"), Buffer.alloc(size));
  const authority = makeAuthority(["localhost"], new Date());
  const certificate = makeServerCertificate(authority, ["localhost"], new Date());
  const tls = { port: 0, certificate };
  const answer = (unfinished: RequestListener) => (request: IncomingMessage, response: ServedResponse) => {
    unfinished(request, response);
    app.routing(request, response);
  };
  const listening = await listen(answer, {
    host: "127.0.0.1",
    port: 0,
    tls,
    stalledSeconds: 2,
    onError: () => undefined,
  });
  onTestFinished(() => listening.close(0));
  ({ port } = listening);
});

function ask(request: string): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(request);
  socket.resume();
  return socket;
}

const get = "GET /tarballs/large-1.0.0.tar HTTP/1.1\r\nHost: localhost\r\n\r\n";

test("a client that takes nothing of its answer is ended", async () => {
  const socket = ask(get);
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 4000));
  let received = 0;
  socket.on("data", (chunk: Buffer) => (received += chunk.length));
  socket.resume();
  await once(socket, "close");
  expect(received).toBeLessThan(size);
});

test("a client that reads slowly and steadily gets all of it", async () => {
  const socket = ask(get);
  let received = 0;
  const began = Date.now();
  const done = new Promise<void>((resolve) => {
    socket.on("close", resolve);
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received >= size) resolve();
      // Three times as long as a client may take nothing, before it hurries.
      if (Date.now() - began > 6000) return;
      socket.pause();
      setTimeout(() => socket.resume(), 10);
    });
  });
  await done;
  expect(received).toBeGreaterThanOrEqual(size);
  socket.destroy();
});

test("a client that sends nothing, or half a request, is ended", async () => {
  for (const request of [
    "",
    "GET /names HT",
    "POST /owner/repo/git-upload-pack HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
  ]) {
    await expect(once(ask(request), "close")).resolves.toEqual([false]);
  }
});
