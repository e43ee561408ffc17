/** Requests that can be read in two ways are refused, and what is hidden behind them is answered to nobody. */
import { cp, mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startServer } from "../support/cli.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { ambiguousRequests } from "../support/soak/ambiguous.ts";
import { ask } from "../support/wire.ts";

/** @returns all that came until the server hung up, or nothing came any more */
async function send(port: number, request: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.end(Buffer.from(request, "latin1"));
  await Promise.race([closed, sleep(3000)]);
  socket.destroy();
  return answer;
}

test("neither by one process nor by several", async () => {
  for (const options of [[], ["--workers", "2"]]) {
    const cwd = await temporaryFolder();
    await mkdir(join(cwd, ".mirror"));
    await cp(join(fixtures, "golden/hex"), join(cwd, ".mirror/hex"), { recursive: true });
    const server = await startServer(["--no-tls", ...options], { cwd });
    const answers = await Promise.all(
      ambiguousRequests.map(async ({ what, request }) => ({ what, answer: await send(server.port, request) })),
    );
    for (const { what, answer } of answers) {
      const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => status);
      expect({ what, statuses, isFine: statuses.every((status) => Number(status) >= 400) }).toMatchObject({
        what,
        isFine: true,
      });
      expect(statuses.length).toBeLessThanOrEqual(1);
    }
    expect(server.log()).not.toContain("hidden-behind");
    expect((await ask(server.port, "/names")).status).toBe(200);
  }
});
