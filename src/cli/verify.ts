/** `mirror-server verify [LOCK…]` */
import type { Lock } from "../lock/entries.ts";
import type { Finding, VerifyResult } from "../mirror/findings.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { readLocks } from "./locks.ts";

export const verify: Command = async (context, args) => {
  const locks = await locksToVerify(context, args);
  const result = await context.mirror.verify(locks);
  const names = locks.map(({ name }) => name).join(", ") || "the configuration";
  printResult(context, result, (found) => lines(found, names, context.config.dryRun));
  return result.ok ? 0 : 3;
};

/** Those given; else the working folder's; else all that were synced before, as in a container without the apps. */
async function locksToVerify({ cwd, mirror, config }: CommandContext, args: readonly string[]): Promise<Lock[]> {
  const known = args.length === 0 ? await mirror.knownLocks() : [];
  return (await readLocks(args, cwd, config, known.length > 0)) ?? known;
}

function lines(result: VerifyResult, names: string, dryRun: boolean): string[] {
  const { ok, checked, missing, corrupt, uncovered, movedAside = [] } = result;
  const aside = dryRun ? "would be moved aside" : "moved aside";
  return [
    ...movedAside.map(({ path, reason }) => `${aside} ${path}: ${reason}`),
    ...missing.map((finding) => `missing ${describe(finding)}`),
    ...corrupt.map((finding) => `corrupt ${describe(finding)}`),
    ...coverage(uncovered),
    ok
      ? `complete and intact: ${checked} checked for ${names}`
      : `${movedAside.length === 0 ? "" : `${movedAside.length} ${aside}, `}${missing.length} missing, ${corrupt.length} corrupt of ${checked} for ${names}; "mirror-server sync" fetches what is missing and replaces what is damaged`,
  ];
}

/** No damage, but a person's word instead of upstream's. */
function coverage(uncovered: VerifyResult["uncovered"]): string[] {
  const names = (isSigned: boolean) =>
    uncovered.filter((each) => each.isSigned === isSigned).map(({ name, version }) => `${name}@${version}`);
  const adopted = names(true);
  const strangers = names(false);
  return [
    ...(adopted.length === 0 ? [] : [`no upstream record covers ${adopted.join(", ")}: adopted here`]),
    ...(strangers.length === 0
      ? []
      : [`not signed, since no upstream record covers it and nobody adopted it: ${strangers.join(", ")}`]),
  ];
}

function describe(finding: Finding): string {
  const what = shown(finding);
  return `${what}${finding.lock === "" ? "" : ` (lock ${finding.lock})`}: ${finding.reason}`;
}

function shown(finding: Finding): string {
  if (finding.kind === "place") return finding.path;
  if (finding.kind === "registry") return `registry ${finding.name}`;
  if (finding.kind === "hex") return `${finding.name} ${finding.version}`;
  return finding.kind === "git" ? `${finding.url} ${finding.revision}` : finding.url;
}
