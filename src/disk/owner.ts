/**
 * Who made a temporary or holds a lock: this boot of the machine, the pid namespace, the pid and when that process
 * began. A pid alone means nothing: containers count their own, and numbers come again. So "it is dead" is said only of
 * a process of the same boot and namespace, which this one can look up; of any other nothing is known.
 */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hasErrno } from "../errors.ts";

// Lower-case letters and digits, so that it can stand in a file's name: boot, namespace, pid, start.
const shape = /^([0-9a-z]{8})-([0-9a-z]{1,16})-([0-9a-z]{1,8})-([0-9a-z]{1,16})$/;

let own: string | undefined | null = null;

/** `1f3a9c02-1zck5-3k9-8f2k1`; undefined where the system does not tell, as without /proc. */
export function ownTag(): string | undefined {
  if (own === null) own = readOwn();
  return own;
}

/** `unknown`: another machine, another container, or a system that does not tell. */
export function stateOf(tag: string): "alive" | "dead" | "unknown" {
  const [, boot, namespace, pid = "", start] = shape.exec(tag) ?? [];
  const [, ourBoot, ourNamespace] = shape.exec(ownTag() ?? "") ?? [];
  if (boot === undefined || boot !== ourBoot || namespace !== ourNamespace) return "unknown";
  const number = Number.parseInt(pid, 36);
  if (!isRunning(number)) return "dead";
  // One that may not be looked at runs, and is taken for the one that is meant.
  return (startOf(String(number)) ?? start) === start ? "alive" : "dead";
}

/** Whether there is a process of that number; somebody else's, too. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasErrno(error, "ESRCH");
  }
}

function readOwn(): string | undefined {
  try {
    // Mounted for other processes than those that we see, it would tell of strangers.
    if (readlinkSync("/proc/self") !== String(process.pid)) return undefined;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    const start = startOf("self");
    if (namespace === undefined || start === undefined) return undefined;
    const shortBoot = createHash("sha256").update(boot).digest("hex").slice(0, 8);
    return [shortBoot, Number(namespace).toString(36), process.pid.toString(36), start].join("-");
  } catch {
    return undefined;
  }
}

/** Ticks since the machine's start, the 22nd field of proc(5)'s `stat`; undefined when there is no such process. */
function startOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets, which may hold anything, brackets too.
    const ticks = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .at(19);
    return ticks === undefined ? undefined : Number(ticks).toString(36);
  } catch {
    return undefined;
  }
}
