/**
 * Several processes that answer clients on the same ports, and this one behind them, which does all that there must be one
 * of: git and its limits, health, certificates. It starts them, starts again what ended by itself, and ends them.
 */
import cluster, { type Worker } from "node:cluster";
import { createServer, type RequestListener } from "node:http";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { MirrorError } from "../errors.ts";
import type { Listening } from "./listen.ts";
import type { Traffic } from "./traffic.ts";
import { noTunnels } from "./tunnels.ts";
import type { FromWorker, ToWorker, Work } from "./worker-messages.ts";

// One that ends so soon after its start may only end again: the next one waits that long. Milliseconds.
const soon = 5000;
// Bytes: 104 with the zero at its end on some systems, and a longer one would be cut without a word.
const maxSocketPath = 103;

export interface Workers extends Listening {
  /** What is wrong with them, if anything. */
  readonly problem: () => string | undefined;
}

export interface WorkersTools {
  readonly count: number;
  readonly work: Work;
  readonly logger: Logger;
  /** Hears what they counted. */
  readonly traffic: Pick<Traffic, "add">;
}

/**
 * @param answer what answers the requests that workers pass on
 * @param work what they are to do, `count` of them @throws MirrorError `config` when a port cannot be taken
 */
export async function listenByWorkers(
  answer: RequestListener,
  { count, work, logger, traffic }: WorkersTools,
): Promise<Workers> {
  const behind = await listenBehind(answer, work.socketPath);
  cluster.setupPrimary({ exec: fileURLToPath(new URL("./worker.js", import.meta.url)), args: [] });
  const running = new Set<Worker>();
  let current = work;
  let tunnelled = noTunnels;
  let isClosing = false;

  const start = async (): Promise<Extract<FromWorker, { kind: "listening" }>> => {
    const worker = cluster.fork();
    const began = performance.now();
    running.add(worker);
    const gone = (why: object) => {
      if (!running.delete(worker) || isClosing) return;
      logger.error({ ...why, worker: worker.process.pid }, "a worker has ended");
      const pause = performance.now() - began > soon ? 0 : soon;
      setTimeout(() => {
        if (!isClosing) start().catch((error: unknown) => logger.error({ err: error }, "a worker cannot be started"));
      }, pause).unref();
    };
    worker.on("exit", (code: number | null, signal: string | null) => gone({ code, signal }));
    // Of one that could not be started no exit is told. A message to one that has just ended is lost, and nobody's concern.
    worker.on("error", (err) => {
      if (worker.process.pid === undefined) gone({ err });
    });
    return new Promise((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "ready") tell(worker, { kind: "serve", work: current });
        else if (message.kind === "listening") {
          tell(worker, { kind: "tunnels", tunnelled });
          resolve(message);
        } else if (message.kind === "traffic") traffic.add(message.taken);
        else reject(new MirrorError("config", message.message));
      });
      worker.on("error", reject);
      worker.on("exit", () => reject(new MirrorError("busy", "a worker ended before it listened; the log tells more")));
    });
  };
  const end = async (graceSeconds: number) => {
    isClosing = true;
    await Promise.all([...running].map((worker) => ended(worker, graceSeconds)));
    behind.closeAllConnections();
    await new Promise((resolve) => behind.close(resolve));
  };

  try {
    // The first one takes the ports, whatever they are, and the others share them.
    const { port, tlsPort } = await start();
    await Promise.all(Array.from({ length: count - 1 }, start));
    return {
      port,
      tlsPort,
      setCertificate: (certificate) => {
        const { tls } = current.listen;
        if (tls !== undefined) current = { ...current, listen: { ...current.listen, tls: { ...tls, certificate } } };
        for (const worker of running) tell(worker, { kind: "certificate", certificate });
      },
      setTunnelled: (now) => {
        tunnelled = now;
        for (const worker of running) tell(worker, { kind: "tunnels", tunnelled });
      },
      close: end,
      problem: () => (running.size < count ? `${running.size} of ${count} workers run; the log tells why` : undefined),
    };
  } catch (error) {
    await end(0);
    throw error;
  }
}

/** For workers alone: the socket lies in a folder that only this user may enter. @throws MirrorError `config`, `storage` */
async function listenBehind(answer: RequestListener, socketPath: string) {
  if (Buffer.byteLength(socketPath) > maxSocketPath) {
    throw new MirrorError(
      "config",
      `${socketPath} is too long a path for a socket between workers; give a TMPDIR with a shorter one, or --workers 1`,
    );
  }
  // How long a client may take is seen to in front; a connection that a worker keeps is not ours to end.
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, answer);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new MirrorError("storage", `no socket between workers can be made at ${socketPath}`, { cause }));
    });
    server.listen(socketPath, resolve);
  });
  return server;
}

async function ended(worker: Worker, graceSeconds: number): Promise<void> {
  if (worker.isDead()) return;
  const exit = new Promise((resolve) => worker.once("exit", resolve));
  tell(worker, { kind: "close", graceSeconds });
  // It ends its connections by then, and itself.
  const cut = setTimeout(() => worker.process.kill("SIGKILL"), graceSeconds * 1000 + 2000);
  await exit;
  clearTimeout(cut);
}

function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}
