/** `mirror-server status` */
import type { Status } from "../mirror/status.ts";
import { printResult, type Command } from "./command.ts";
import { formatBytes } from "./progress.ts";

export const status: Command = async (context) => {
  printResult(context, await context.mirror.status(), lines);
  return 0;
};

function lines({ locks, hex, git }: Status): string[] {
  return [
    `Hex: ${hex.packages} packages, ${hex.releases} releases, ${formatBytes(hex.bytes)}`,
    `git: ${git.length} repositories, ${formatBytes(git.reduce((sum, { bytes }) => sum + bytes, 0))}`,
    ...git.map(({ url, bytes, shallow, locks: users }) => {
      const mark = shallow ? ", shallow: only for clients that ask with a depth" : "";
      return `  ${url}  ${formatBytes(bytes)}${mark}  ${users.length === 0 ? "(no known lock)" : `(${users.join(", ")})`}`;
    }),
    `locks: ${locks.length}`,
    ...locks.map(
      ({ name, hex: packages, git: repositories }) => `  ${name}  ${packages} packages, ${repositories} repositories`,
    ),
  ];
}
