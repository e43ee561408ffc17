/** `/metrics` on a port of its own, which a firewall may keep to those who watch: nothing else is served there. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MirrorError } from "../errors.ts";
import { createGuard, type Guarding } from "./guard.ts";
import type { Metrics } from "./metrics.ts";

export interface MetricsListening {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export interface MetricsListenerOptions extends Pick<Guarding, "tokens" | "metricsTokens"> {
  readonly host: string;
  readonly port: number;
}

/** @throws MirrorError `config` when the port cannot be taken */
export async function listenForMetrics(
  metrics: () => Promise<Metrics>,
  { host, port, ...guarding }: MetricsListenerOptions,
): Promise<MetricsListening> {
  const guard = createGuard({ ...guarding, sessions: { isKnown: () => false } });
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").replace(/\?.*$/s, "");
    const answer = (status: number, type: string, text: string, headers: Record<string, string> = {}) =>
      response.writeHead(status, { "content-type": type, "cache-control": "no-store", ...headers }).end(text);
    const plain = "text/plain; charset=utf-8";
    if (path !== "/metrics") {
      answer(404, plain, "only /metrics is served here\n");
      return;
    }
    try {
      guard.check({ kind: "own", path }, { authorization: request.headers.authorization });
    } catch (error) {
      const challenge = { "www-authenticate": 'Basic realm="mirror-server"' };
      answer(401, plain, `${error instanceof MirrorError ? error.message : "refused"}\n`, challenge);
      return;
    }
    metrics()
      .then(async ({ contentType, text }) => answer(200, contentType, await text()))
      .catch(() => answer(500, plain, "the mirror failed; its log tells why\n"));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new MirrorError("config", `--metrics-port: port ${port} cannot be taken`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
