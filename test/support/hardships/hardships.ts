/** What a machine can do to a program, to some degree, for one run. */
import { chmodSync, mkdirSync, statSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Running } from "../kills/kill-at.ts";
import { bind, canMount, mountMemory, remount, unmount } from "./mounts.ts";

/** What one run takes where nothing is wrong. */
export interface Need {
  /** At most beyond what it begins with, bytes and files. */
  readonly room: number;
  readonly files: number;
  readonly milliseconds: number;
}

export interface Imposed extends Pick<Partial<Running>, "under" | "preloads"> {
  readonly env?: Readonly<Record<string, string>>;
  /** All is well again. */
  readonly relieve: () => void;
  /** Something that comes while it works, and makes all of it vain. @returns when it came, by `performance.now`; undefined: it never worked */
  readonly amid?: Promise<number | undefined>;
}

export interface Hardship {
  /** Whether it needs a file system of its own. */
  readonly needsMount: boolean;
  /** Whether what is held can be served meanwhile. */
  readonly servesHeld: boolean;
  /** Whether the program may be ended by it, by a signal or with words of Node's own. */
  readonly mayEnd: boolean;
  /** What is not found again, and costs no more than to be asked for anew. */
  readonly mayLose?: RegExp;
  /** Before anything lies in `cwd`. @returns undoes it */
  readonly lay?: (cwd: string) => () => void;
  /** @param degree 0 to 1: how far it can come @param nth for those of several kinds */
  readonly impose: (cwd: string, degree: number, nth: number, need: Need) => Imposed;
}

const alone = (cwd: string) => {
  mountMemory(cwd);
  return () => unmount(cwd);
};
const disk = (cwd: string) => join(dirname(cwd), "disk");
const nothing = (): void => undefined;

export const hardships = {
  /** Every third time it is files that there can be no more of. */
  "a full disk": {
    needsMount: true,
    servesHeld: true,
    mayEnd: false,
    lay: alone,
    impose: (cwd, degree, nth, need) => {
      const { blocks, bfree, bsize, files, ffree } = statfsSync(cwd);
      const isOfFiles = nth % 3 === 2;
      if (isOfFiles) remount(cwd, `nr_inodes=${files - ffree + Math.round(need.files * degree)}`);
      else remount(cwd, `size=${(blocks - bfree) * bsize + Math.round(need.room * degree)}`);
      return { relieve: () => remount(cwd, isOfFiles ? "nr_inodes=100000" : "size=1g") };
    },
  },
  /** Every other time there is another one for what is temporary. */
  "a disk that can only be read": {
    needsMount: true,
    servesHeld: true,
    mayEnd: false,
    lay: alone,
    impose: (cwd, _degree, nth) => {
      remount(cwd, "ro");
      const env = nth % 2 === 0 ? {} : { TMPDIR: dirname(cwd) };
      return { env, relieve: () => remount(cwd, "rw") };
    },
  },
  /** The mirror's folder is another file system, which goes while it is in use. */
  "a disk that goes away": {
    needsMount: true,
    servesHeld: false,
    mayEnd: false,
    mayLose: /^\.mirror\/upstream\/hexpm\/validators\.json$/,
    lay: (cwd) => {
      mountMemory(disk(cwd));
      bind(disk(cwd), join(cwd, ".mirror"));
      return () => {
        unmount(join(cwd, ".mirror"));
        unmount(disk(cwd));
      };
    },
    impose: (cwd, degree, _nth, need) => {
      const began = performance.now();
      const amid = firstLock(join(cwd, ".mirror"), began + 5 * need.milliseconds).then(async (hasBegun) => {
        const left = need.milliseconds - (performance.now() - began);
        await sleep(degree * Math.max(0, left));
        unmount(join(cwd, ".mirror"));
        return hasBegun ? performance.now() : undefined;
      });
      return { amid, relieve: () => bind(disk(cwd), join(cwd, ".mirror")) };
    },
  },
  "too few descriptors": {
    needsMount: false,
    servesHeld: false,
    mayEnd: true,
    impose: (_cwd, degree) => {
      const most = 20 + Math.round(degree * 60);
      return { under: ["prlimit", `--nofile=${most}:${most}`], relieve: nothing };
    },
  },
  /** Every other time it is git that has none. */
  "too little memory": {
    needsMount: false,
    servesHeld: false,
    mayEnd: true,
    impose: (cwd, degree, nth) => {
      if (nth % 2 === 0)
        return { env: { NODE_OPTIONS: `--max-old-space-size=${8 + Math.round(degree * 24)}` }, relieve: nothing };
      const bin = join(dirname(cwd), "bin");
      mkdirSync(bin);
      const path = process.env["PATH"] ?? "";
      const bytes = Math.round((4 + degree * 60) * 1024 * 1024);
      writeFileSync(join(bin, "git"), `#!/bin/sh\nPATH='${path}' exec prlimit --as=${bytes} git "$@"\n`);
      chmodSync(join(bin, "git"), 0o755);
      return { env: { PATH: `${bin}:${path}` }, relieve: nothing };
    },
  },
  "a clock that jumps": {
    needsMount: false,
    servesHeld: true,
    mayEnd: false,
    impose: (_cwd, _degree, nth) => ({
      preloads: [new URL("jumping-clock.cjs", import.meta.url).pathname],
      env: { CLOCK_SEED: String(nth + 1) },
      relieve: nothing,
    }),
  },
} as const satisfies Record<string, Hardship>;

/**
 * Until a program that was started has begun to write there, however long a busy machine takes to start it.
 * @param latest by `performance.now`; where it writes nothing @returns whether it has
 */
async function firstLock(mirror: string, latest: number): Promise<boolean> {
  const changed = () => statSync(join(mirror, ".lock"), { throwIfNoEntry: false })?.mtimeMs;
  const before = changed();
  while (changed() === before) {
    if (performance.now() > latest) return false;
    await sleep(1);
  }
  return true;
}

export type HardshipName = keyof typeof hardships;

export const hardshipNames = Object.keys(hardships) as HardshipName[];

/** Whether it can be tried here. */
export function canImpose(name: HardshipName): boolean {
  return process.platform === "linux" && (canMount || !hardships[name].needsMount);
}
