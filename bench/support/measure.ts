/** Measuring side by side: peers take turns in each round, so that a busy moment of the machine hits all of them. */
import { readFileSync, readdirSync } from "node:fs";
import { request } from "node:http";
import { performance } from "node:perf_hooks";

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** The median over the rounds, by name. */
export async function interleaved(
  rounds: number,
  peers: Readonly<Record<string, () => Promise<number>>>,
): Promise<Record<string, number>> {
  const results: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(peers)) (results[name] ??= []).push(await run());
  }
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, median(values)]));
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Sends a request and reads the answer to its end. @returns its bytes */
export async function exchange(
  url: string,
  options: { body?: string; headers?: Record<string, string> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const { body, headers = {} } = options;
    const sent = request(url, { method: body === undefined ? "GET" : "POST", agent: false, headers }, (answer) => {
      let bytes = 0;
      answer.on("data", (chunk: Buffer) => (bytes += chunk.length));
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`${url}: status ${answer.statusCode}`)),
      );
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/**
 * CPU seconds that everything but this process and its ended children has used: the whole machine's, less our own.
 * fcgiwrap lets its children go unreaped, so that no process has their time on its account; the machine has.
 */
export function cpuSecondsOfOthers(): number {
  const machine = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = machine;
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const own = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return (user + nice + system + irq + softirq - own) / 100;
}

/** The processes below `pid`, and itself. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (of: number): number[] => [of, ...(children.get(of) ?? []).flatMap(below)];
  return below(pid);
}

/** Resident memory, MiB. */
export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}
