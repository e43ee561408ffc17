/** `mirror-server status` */
import type { Status } from "../mirror/status.ts";
import { printResult, type Command } from "./command.ts";
import { fingerprintLines } from "./fingerprints.ts";
import { showLocks } from "./items.ts";
import { showItem } from "../names/shown-item.ts";
import { formatBytes } from "../text.ts";

export const status: Command = async (context) => {
  printResult(context, await context.mirror.status(), (found) => lines(found, Date.now()));
  return 0;
};

function lines(found: Status, now: number): string[] {
  const { lastSync, locks, hex, repositories, git, installers, files, unused, fingerprints } = found;
  return [
    ...unused.map((text) => `warning: ${text}`),
    `Hex: ${hex.packages} packages, ${hex.releases} releases, ${formatBytes(hex.bytes)}`,
    ...repositories.map(({ name, releases, unneeded, docs }) => {
      const spare = unneeded === 0 ? "" : `, ${unneeded} that no known lock names`;
      return `  ${name}  ${releases} releases${spare}${docs === 0 ? "" : `, documentation of ${docs}`}`;
    }),
    `git: ${git.length} repositories, ${formatBytes(git.reduce((sum, { bytes }) => sum + bytes, 0))}`,
    ...git.map(({ host, path, bytes, shallow, locks: users }) => {
      const mark = shallow ? ", shallow: only for clients that ask with a depth" : "";
      return `  ${showItem({ kind: "git", host, path })}  ${formatBytes(bytes)}${mark}  ${users.length === 0 ? showLocks(users) : `(${showLocks(users)})`}`;
    }),
    ...(installers.files === 0 ? [] : [`installers: ${installers.files} files, ${formatBytes(installers.bytes)}`]),
    ...(files.files === 0 ? [] : [`files: ${files.files}, ${formatBytes(files.bytes)}`]),
    `locks: ${locks.length}`,
    ...locks.map(({ name, hex: packages, git: gits }) => `  ${name}  ${packages} packages, ${gits} repositories`),
    ...fingerprintLines(fingerprints),
    lastSync === undefined
      ? "records and refs: never synced as a whole on this machine"
      : `records and refs: as of ${age(now - Date.parse(lastSync))} ago (${lastSync})`,
  ];
}

/** Milliseconds → `3 days`. */
function age(milliseconds: number): string {
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
  ] as const;
  const [unit, size] = units.find(([, length]) => milliseconds >= length) ?? ["minute", 60_000];
  const count = Math.max(0, Math.floor(milliseconds / size));
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
