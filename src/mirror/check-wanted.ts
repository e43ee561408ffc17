/** Is all that is wanted here, and intact? Everything is read and hashed; nothing is written, nobody is asked. */
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Want } from "../artifacts/artifact.ts";
import { readLists } from "../health/lists.ts";
import type { Context } from "../store/context.ts";
import { listRegistries } from "../store/inventory.ts";
import type { Findings } from "./findings.ts";

export async function checkWanted(kinds: Kinds, want: Want, findings: Findings): Promise<void> {
  await inTurn(kinds, async (kind) => {
    const { jobs, refused } = await kind.wanted(want);
    for (const job of jobs) {
      for await (const { item, problems } of kind.check(job)) {
        findings.checked += 1;
        for (const { state, ...problem } of problems) findings[state].push({ item, ...problem });
      }
    }
    findings.checked += refused.length;
    findings.missing.push(...refused);
  });
}

/** The registries as clients read them. */
export async function checkRegistries({ paths }: Context, { damaged }: Findings): Promise<void> {
  for (const registry of await listRegistries(paths)) {
    const { problem } = await readLists(registry);
    const { repository } = registry;
    if (problem !== undefined) damaged.push({ item: { kind: "registry", repository }, reason: problem });
  }
}
