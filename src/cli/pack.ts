/** `mirror-server pack OUT` */
import { resolve } from "node:path";
import { MirrorError } from "../errors.ts";
import type { PackResult } from "../mirror/pack.ts";
import { showItem } from "../names/shown-item.ts";
import { formatBytes } from "../text.ts";
import { printResult, type Command } from "./command.ts";

export const pack: Command = async (context, args) => {
  const [out, ...others] = args;
  if (out === undefined || others.length > 0) {
    throw new MirrorError("usage", 'give one name for the image: "mirror-server pack mirror-image", or mirror.tar');
  }
  const { archive, oci } = context.config;
  if (archive && oci) throw new MirrorError("usage", "--tar and --oci: it is one or the other");
  const isArchive = archive || (!oci && out.endsWith(".tar"));
  printResult(context, await context.mirror.pack({ out: resolve(context.cwd, out), isArchive }), lines);
  return 0;
};

function lines({ out, digest, bytes, layers, changedBytes, leftOut, signature }: PackResult): string[] {
  return [
    ...leftOut.map(({ item, reason }) => `left out ${showItem(item)}: ${reason}`),
    ...(leftOut.every(({ isPrivate }) => !isPrivate)
      ? []
      : ["--with-private takes what is private along; locks go as they are, and name it"]),
    `packed ${formatBytes(bytes)} in ${layers} layers, ${formatBytes(changedBytes)} of them new: ${out}`,
    `  ${digest}`,
    ...(signature === undefined ? [] : [`  signed: ${signature}`]),
  ];
}
