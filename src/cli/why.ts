/** `mirror-server why NAME` */
import { MirrorError } from "../errors.ts";
import type { Reason } from "../mirror/why.ts";
import { printResult, type Command } from "./command.ts";
import { showLock } from "./items.ts";
import { showItem } from "../names/shown-item.ts";
import { nearest } from "../maybe-meant.ts";
import { formatBytes } from "../text.ts";

export const why: Command = async (context, args) => {
  if (args.length === 0) throw new MirrorError("usage", 'say what of: "mirror-server why telemetry"');
  const reasons: Reason[] = [];
  for (const name of args) reasons.push(...(await reasonsFor(context.mirror.why, name)));
  printResult(context, reasons, (found) => found.flatMap(lines));
  return 0;
};

/** @throws MirrorError `not_found`, with what may have been meant */
async function reasonsFor(ask: (name: string) => Promise<Reason[]>, name: string): Promise<Reason[]> {
  return ask(name).catch((error: unknown) => {
    const known = error instanceof MirrorError ? error.data["known"] : undefined;
    const near = Array.isArray(known)
      ? nearest(
          name,
          known.filter((each) => typeof each === "string"),
        )
      : undefined;
    if (!(error instanceof MirrorError) || near === undefined) throw error;
    throw new MirrorError("not_found", `${error.message}; did you mean ${JSON.stringify(near)}?`);
  });
}

function lines({ item, isHeld, bytes, wantedBy }: Reason): string[] {
  return [
    `${showItem(item)} (${isHeld ? `held, ${formatBytes(bytes)}` : "not held"})`,
    ...(wantedBy.length === 0 ? ["  no known lock wants it"] : []),
    ...wantedBy.flatMap(({ lock, through }) => waysText(showLock(lock), through).map((text) => `  ${text}`)),
  ];
}

/** @param from who names it */
function waysText(from: string, through: readonly (readonly string[])[]): string[] {
  if (through.length === 0) return [`${from}, through whom cannot be told: records of what it names are not here`];
  return through.map((way) =>
    way.length === 0 ? `${from} names it, and nothing else there needs it` : `${from} → ${way.join(" → ")} → it`,
  );
}
