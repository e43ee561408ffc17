/** `mirror-server unpack IMAGE` */
import { resolve } from "node:path";
import { MirrorError } from "../errors.ts";
import type { UnpackResult } from "../mirror/unpack.ts";
import { showItem } from "../names/shown-item.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";

export const unpack: Command = async (context, args) => {
  printResult(context, await context.mirror.unpack(onlyImage(context, args, "unpack")), lines);
  return 0;
};

/** @returns its path, absolute @throws MirrorError `usage` */
export function onlyImage({ cwd }: Pick<CommandContext, "cwd">, args: readonly string[], command: string): string {
  const [image, ...others] = args;
  if (image !== undefined && others.length === 0) return resolve(cwd, image);
  throw new MirrorError("usage", `give one image: "mirror-server ${command} mirror-image", or mirror.tar`);
}

function lines({ mirror, generation, digest, isSigned, registry, checked, missing }: UnpackResult): string[] {
  return [
    ...missing.map(({ item, reason }) => `missing ${showItem(item)}: ${reason}`),
    `unpacked ${digest}, ${isSigned ? "signed as asked for" : "whose signature nobody asked for (--key)"}`,
    `  all that it holds is what its records say${checked === 0 ? "" : `; ${checked - missing.length} of ${checked} that its locks name are there`}`,
    ...(registry === undefined ? [] : [`  its registry is signed with ${registry}`]),
    generation === undefined ? `  in ${mirror}` : `  in ${generation}, where ${mirror} leads now`,
  ];
}
