/** Git's progress, `Receiving objects:  45% (450/1000), 12.34 MiB | 2.10 MiB/s`, → bytes that have arrived. Pure. */

export interface ReceivedCounter {
  readonly read: (line: string) => void;
  /** All of them. */
  readonly bytes: () => number;
}

const units: Readonly<Record<string, number>> = { bytes: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** @param onBytes told how many more than before */
export function countReceived(onBytes: (count: number) => void): ReceivedCounter {
  let before = 0;
  let all = 0;
  return {
    read: (line) => {
      const [, number, unit = ""] = /^Receiving objects: .*?, (\d+(?:\.\d+)?) (bytes|[KMG]iB)\b/.exec(line) ?? [];
      if (number === undefined) return;
      const now = Math.round(Number(number) * (units[unit] ?? 0));
      // Less than before: another fetch has begun.
      const more = now >= before ? now - before : now;
      before = now;
      all += more;
      onBytes(more);
    },
    bytes: () => all,
  };
}
