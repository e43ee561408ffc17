/** `mirror-server status` */
import { setTimeout as sleep } from "node:timers/promises";
import type { Status } from "../mirror/status.ts";
import { showItem } from "../names/shown-item.ts";
import { formatBytes } from "../text.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { fingerprintLines } from "./fingerprints.ts";
import { showLock, showLocks } from "./items.ts";
import { hanging } from "./wrapped.ts";

// Milliseconds between two looks.
const lookEvery = 2000;

export const status: Command = async (context) => {
  if (context.config.redraw) return watch(context);
  printResult(context, await context.mirror.status(), (found) => lines(found, Date.now()));
  return 0;
};

/** Until Ctrl-C. On a terminal each look takes the last one's place; into a file, what changed comes after it. */
async function watch(context: CommandContext): Promise<number> {
  const { mirror, config, signal, isOutputTerminal, write, print } = context;
  let last = "";
  while (!signal.aborted) {
    const found = await mirror.status();
    const shown = config.json ? [JSON.stringify(found)] : lines(found, Date.now());
    const text = shown.join("\n");
    // From the top of an empty screen.
    if (isOutputTerminal && !config.json) write("\u001b[H\u001b[2J");
    if (isOutputTerminal || text !== last) print(shown);
    last = text;
    await sleep(lookEvery, undefined, { signal }).catch(() => undefined);
  }
  return 0;
}

function lines(found: Status, now: number): string[] {
  const { lastSync, locks, hex, repositories, policies, git, installers, files, unused, problems, fingerprints } =
    found;
  const gitBytes = git.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...[...unused, ...problems].flatMap((text) => hanging(`warning: ${text}`, "")),
    ...(locks.length === 0 ? ["locks: none is known"] : [`locks: ${locks.length}`]),
    ...locks.flatMap(lockLines),
    `Hex: ${hex.packages} packages, ${hex.releases} releases, ${formatBytes(hex.bytes)}`,
    ...repositories.flatMap(({ name, releases, unneeded, docs }) => {
      const spare = unneeded === 0 ? "" : `, ${unneeded} that no known lock names`;
      return hanging(`${name}: ${releases} releases${spare}${docs === 0 ? "" : `, documentation of ${docs}`}`, "  ");
    }),
    ...(policies.length === 0 ? [] : hanging(`policies: ${policies.join(", ")}`, "")),
    `git: ${git.length} repositories, ${formatBytes(gitBytes)}`,
    ...git.flatMap(({ host, path, bytes, shallow, locks: users }) => {
      const mark = shallow ? ", shallow: only for clients that ask with a depth" : "";
      const whose = users.length === 0 ? showLocks(users) : `(${showLocks(users)})`;
      return hanging(`${showItem({ kind: "git", host, path })} ${formatBytes(bytes)}${mark} ${whose}`, "  ");
    }),
    ...(installers.files === 0 ? [] : [`installers: ${installers.files} files, ${formatBytes(installers.bytes)}`]),
    ...(files.files === 0 ? [] : [`files: ${files.files}, ${formatBytes(files.bytes)}`]),
    ...fingerprintLines(fingerprints),
    ...hanging(
      lastSync === undefined
        ? "records and refs: never synced as a whole on this machine"
        : `records and refs: as of ${age(now - Date.parse(lastSync))} ago (${lastSync})`,
      "",
    ),
  ];
}

// Of one lock; `--json` has all.
const mostLacks = 20;

function lockLines({ name, hex, git, isCovered, lacks }: Status["locks"][number]): string[] {
  const counts = `${hex} packages, ${git} repositories`;
  const left = lacks.length - mostLacks;
  return [
    ...hanging(`${showLock(name)}: ${isCovered ? "covered" : "NOT covered"}, ${counts}`, "  "),
    ...lacks.slice(0, mostLacks).flatMap(({ item, state, reason }) => hanging(`${state} ${item}: ${reason}`, "    ")),
    ...(left > 0 ? [`    and ${left} more; --json has all`] : []),
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
