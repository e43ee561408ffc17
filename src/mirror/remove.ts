/** Takes releases out that `add` put in; what is known of them stays, so that none comes back as something else. */
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { shownPackage } from "../names/hex-repository.ts";
import { releaseItem, type Item } from "../names/item.ts";
import type { NamedRelease } from "../options.ts";
import { readAdded } from "../store/added.ts";
import { asOnlyWriter, requireMirror, type Context } from "../store/context.ts";
import { listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import { oneOf } from "../text.ts";
import { createWithdraw, type KindKey } from "./kinds.ts";

export interface RemoveResult {
  readonly removed: readonly Item[];
}

/** `repository` undefined: whichever it was added to. */
export type RemovedRelease = Omit<NamedRelease, "repository"> & { readonly repository: string | undefined };

/** @throws MirrorError `not_found`, `refused`, `usage`, before anything goes */
export async function remove(
  context: Context<KindKey | "nearby">,
  given: readonly RemovedRelease[],
): Promise<RemoveResult> {
  const { paths } = context;
  await requireMirror(context);
  return asOnlyWriter(context, async (locked) => {
    const named = await Promise.all(
      given.map(async (each) => ({ ...each, repository: await repositoryOf(paths, each) })),
    );
    const places: Place[] = [];
    for (const { repository, name, version } of named) {
      const registry = paths.registry(repository);
      const tarball = registry.tarball(name, version);
      const shown = `${shownPackage(repository, name)} ${version}`;
      if (!tarball.isFile()) throw new MirrorError("not_found", `${shown} is not here`);
      const isAdded = (await readAdded(registry.added(name))).some((line) => line.version === version);
      if (!isAdded) {
        const remedy = 'what comes from upstream goes with "mirror-server prune" when no lock wants it';
        throw new MirrorError("refused", `${shown} was not added here; ${remedy}`);
      }
      places.push(tarball, registry.docs(name, version));
    }
    // The registry forgets first: what is listed is there.
    await createWithdraw(locked)(places, async () => {
      for (const place of places) await place.remove();
    });
    return { removed: named.map((each) => releaseItem(each, each.version)) };
  });
}

async function repositoryOf(paths: StorePaths, { repository, name, version }: RemovedRelease): Promise<string> {
  if (repository !== undefined) return repository;
  const all = (await listRegistries(paths)).filter((each) => each.tarball(name, version).isFile());
  const added = await Promise.all(
    all.map(async (each) => (await readAdded(each.added(name))).some((line) => line.version === version)),
  );
  const found = all.filter((_, index) => added[index]).map((each) => each.repository);
  const [only = all[0]?.repository, ...others] = found;
  if (only === undefined) throw new MirrorError("not_found", `${name} ${version} is not here`);
  if (others.length === 0) return only;
  throw new MirrorError("usage", `${name} ${version} was added to ${oneOf(found)}; say which with --repo`);
}
