/** `mirror-server verify [LOCK…]` */
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";
import type { Finding, VerifyResult } from "../mirror/verify.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { readLocks } from "./locks.ts";

export const verify: Command = async (context, args) => {
  const locks = await locksToVerify(context, args);
  const result = await context.mirror.verify(locks);
  const names = locks.map(({ name }) => name).join(", ");
  printResult(context, result, (found) => lines(found, names));
  return result.ok ? 0 : 3;
};

/** Those given; else the working folder's; else all that were synced before, as in a container without the apps. */
async function locksToVerify(context: CommandContext, args: readonly string[]): Promise<Lock[]> {
  const { cwd, mirror, config } = context;
  try {
    return await readLocks(args, cwd, config.lockName);
  } catch (error) {
    if (args.length > 0 || !(error instanceof MirrorError && error.code === "usage")) throw error;
    const known = await mirror.knownLocks();
    if (known.length === 0) throw error;
    return known;
  }
}

function lines({ ok, checked, missing, corrupt }: VerifyResult, names: string): string[] {
  return [
    ...missing.map((finding) => `missing ${describe(finding)}`),
    ...corrupt.map((finding) => `corrupt ${describe(finding)}`),
    ok
      ? `complete and intact: ${checked} checked for ${names}`
      : `${missing.length} missing, ${corrupt.length} corrupt of ${checked} for ${names}; "mirror-server sync" fetches what is missing and replaces damaged tarballs`,
  ];
}

function describe(finding: Finding): string {
  const what = finding.kind === "hex" ? `${finding.name} ${finding.version}` : `${finding.url} ${finding.revision}`;
  return `${what} (lock ${finding.lock}): ${finding.reason}`;
}
