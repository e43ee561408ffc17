/** `mirror-server verify [LOCK…]` */
import type { Lock } from "../lock/entries.ts";
import type { Finding, VerifyResult } from "../mirror/findings.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { showAsking, showRelease } from "./items.ts";
import { showItem } from "../names/shown-item.ts";
import { onlyImage } from "./unpack.ts";
import { readLocks } from "./locks.ts";

export const verify: Command = async (context, args) => {
  if (context.config.oci) return verifyImage(context, args);
  const locks = await locksToVerify(context, args);
  const result = await context.mirror.verify(locks, context.config);
  const names = locks.map(({ name }) => name).join(", ") || "the configuration";
  printResult(context, result, (found) => lines(found, names, context.config.dryRun));
  return result.ok ? 0 : 3;
};

async function verifyImage(context: CommandContext, args: readonly string[]): Promise<number> {
  const result = await context.mirror.verifyImage(onlyImage(context, args, "verify --oci"));
  printResult(context, result, (found) => lines(found, "the image", true));
  return result.ok ? 0 : 3;
}

/** Those given; else the working folder's; else all that were synced before, as in a container without the apps. */
async function locksToVerify(context: CommandContext, args: readonly string[]): Promise<Lock[]> {
  const known = args.length === 0 ? await context.mirror.knownLocks() : [];
  return (await readLocks(args, context, { mayLack: known.length > 0 })) ?? known;
}

function lines(result: VerifyResult, names: string, dryRun: boolean): string[] {
  const { missing, damaged, skipped, uncovered, compilesOffline, quarantined = [] } = result;
  const verb = dryRun ? "would quarantine" : "quarantined";
  return [
    ...quarantined.map(({ path, reason }) => `${verb} ${path}: ${reason}`),
    ...missing.map((finding) => `missing ${describe(finding)}`),
    ...damaged.map((finding) => `damaged ${describe(finding)}`),
    ...skipped.map(({ lock, app, reason }) => `skipped ${app} (lock ${lock}): ${reason}`),
    ...coverage(uncovered),
    ...compiling(compilesOffline),
    conclusion(result, names),
  ];
}

function conclusion({ ok, checked, missing, damaged, skipped, quarantined = [] }: VerifyResult, names: string) {
  const own = skipped.filter(({ isPath }) => isPath).length;
  const others = skipped.length - own;
  const besides = own === 0 ? "" : `, besides ${own} of the project's own`;
  if (ok) return `complete and intact: ${checked} checked for ${names}${besides}`;
  const counts = [
    ...(quarantined.length === 0 ? [] : [`${quarantined.length} quarantined`]),
    `${missing.length} missing`,
    `${damaged.length} damaged`,
    ...(others === 0 ? [] : [`${others} that cannot be mirrored`]),
  ];
  const isSynced = missing.length + damaged.length + quarantined.length > 0;
  const remedy = isSynced ? '; "mirror-server sync" fetches what is missing and replaces what is damaged' : "";
  return `${counts.join(", ")} of ${checked + skipped.length} for ${names}${remedy}`;
}

/** No damage, but a person's word instead of upstream's. */
function coverage(uncovered: VerifyResult["uncovered"]): string[] {
  const names = (isSigned: boolean) =>
    uncovered.filter((each) => each.isSigned === isSigned).map(({ item }) => showRelease(item));
  const adopted = names(true);
  const strangers = names(false);
  return [
    ...(adopted.length === 0 ? [] : [`no upstream record covers ${adopted.join(", ")}: adopted here`]),
    ...(strangers.length === 0
      ? []
      : [`not signed, since no upstream record covers it and nobody adopted it: ${strangers.join(", ")}`]),
  ];
}

/** Nothing where packages tell of nothing that they download. */
function compiling({ ok, downloading, lacking }: VerifyResult["compilesOffline"]): string[] {
  if (downloading === 0) return [];
  return [`compiles offline: yes${ok ? "" : ", but for"}`, ...lacking.map((finding) => `  ${describe(finding)}`)];
}

function describe({ item, reason, ...asking }: Finding): string {
  return `${showItem(item)}${showAsking(asking, item)}: ${reason}`;
}
