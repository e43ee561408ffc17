/**
 * A process that answers clients for the server's: from memory what it can, and by the server's process all else. It does
 * what that process says and ends with it, whatever ends that; signals of the terminal and of `docker stop` are not for it.
 */
import { createLogger } from "./cli/logger.ts";
import { logSentence } from "./cli/log-sentence.ts";
import { Place } from "./disk/place.ts";
import { describeError } from "./errors.ts";
import { hexpm } from "./names/hex-repository.ts";
import { arrivals } from "./serve/arrival.ts";
import { createFileMemory } from "./serve/file-memory.ts";
import { forwardTo } from "./serve/forward.ts";
import { inFrontOf } from "./serve/front.ts";
import { listen, type Listening } from "./serve/listen.ts";
import type { FromWorker, ToWorker, Work } from "./serve/worker-messages.ts";
import { Traffic } from "./serve/traffic.ts";
import { StorePaths } from "./store/paths.ts";

// Milliseconds between what it tells of what it has answered.
const tellEvery = 1000;

let listening: Listening | undefined;
const traffic = new Traffic();

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToWorker) => {
  void obey(message);
});
say({ kind: "ready" });

async function obey(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case "serve":
      try {
        listening = await serve(message.work);
        say({ kind: "listening", port: listening.port, tlsPort: listening.tlsPort });
      } catch (error) {
        // Another may do better later.
        say({ kind: "failed", message: describeError(error) }, () => process.exit(1));
      }
      return;
    case "certificate":
      listening?.setCertificate(message.certificate);
      return;
    case "tunnels":
      listening?.setTunnelled(message.tunnelled);
      return;
    case "close":
      await listening?.close(message.graceSeconds);
      tellTraffic();
      process.exit(0);
  }
}

function tellTraffic(): void {
  const taken = traffic.take();
  if (taken !== undefined) say({ kind: "traffic", taken });
}

function say(message: FromWorker, onSaid: () => void = () => undefined): void {
  process.send?.(message, onSaid);
}

async function serve(work: Work): Promise<Listening> {
  const { listen: options, socketPath, folders, views, trustedProxies, logLevel } = work;
  const logger = createLogger(logLevel, logSentence);
  const paths = new StorePaths(folders);
  const memory = createFileMemory();
  const online = Place.root({ dir: views, noun: "a temporary folder", isOne: () => false, isTrusted: true });
  const roots = [paths.hex, paths.registry(hexpm).upstreamDir, paths.filesDir, paths.cache.at("pulled"), online];
  const forward = forwardTo(socketPath, (request, { path, ...freshness }) => {
    const root = roots.find(({ path: above }) => path.startsWith(`${above}/`));
    if (root === undefined) return;
    const place = root.at(path.slice(root.path.length + 1));
    memory.remember(request, request.url ?? "/", place, freshness);
    // For the next who asks.
    memory.open(place).catch(() => undefined);
  });
  const onError = (error: Error) => logger.error({ err: error }, "a listener failed");
  setInterval(tellTraffic, tellEvery).unref();
  const front = inFrontOf(forward, { memory, logger, arrivals: arrivals(trustedProxies), traffic });
  return listen(front, { ...options, onError });
}
