/** `mirror-server build` */
import type { BuildResult } from "../registry/build.ts";
import { showRelease } from "./items.ts";
import { showItem } from "../names/shown-item.ts";
import { printResult, type Command } from "./command.ts";

export const build: Command = async (context) => {
  const result = await context.mirror.build(context.config);
  printResult(context, result, (built) => lines(built, context.config.dryRun));
  return result.leftOut.length > 0 ? 1 : 0;
};

function lines(result: BuildResult, dryRun: boolean): string[] {
  const { packages, releases, written, removed, adopted, leftOut } = result;
  const counted = adopted.length === 1 ? "1 release" : `${adopted.length} releases`;
  return [
    ...(adopted.length === 0
      ? []
      : [
          `${dryRun ? "would adopt" : "adopted"} ${counted} that no upstream record covers: ${adopted.map(showRelease).join(", ")}`,
        ]),
    ...leftOut.map(({ item, reason }) => `left out ${showItem(item)}: ${reason}`),
    ...removed.map((resource) => `${dryRun ? "would remove" : "removed"} ${resource}: no tarball of it is here`),
    `registry: ${packages} packages, ${releases} releases; ${dryRun ? "would write" : "wrote"} ${written.length} files`,
  ];
}
