/**
 * Git repositories that are made and refreshed because a client asks: by a git that asks as nobody, in the background, with
 * all heads and tags of upstream's, and pins for what was asked for by its id.
 */
import { asOnlyOne } from "../artifacts/only-one.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { recordAccess } from "../git/access.ts";
import { mirrorRepository } from "../git/mirror-repository.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { isPin, saysCommitIsAbsent } from "../git/pins.ts";
import { repositoryJobs, repositoryKey } from "../plan/repositories.ts";
import { fromAny } from "../upstream/git.ts";
import type { Bringer } from "./bringer.ts";
import type { GitWay } from "./git-way.ts";

export interface Wanted {
  readonly host: string;
  readonly path: string;
  /** Whom to ask. */
  readonly url: string;
  readonly place: Place;
  /** Objects that a client asks for by id. */
  readonly wants: readonly string[];
  /** As of `RepositoryJob`. */
  readonly begun?: Place;
}

export interface RepositoriesTools {
  readonly bringer: Bringer;
  readonly way: GitWay;
  /** Of one repository: bytes that may come for it at once. */
  readonly maxSize: number;
}

/** @throws MirrorError `too_large`; what is not there any more upstream is no error, once the rest is here */
export async function bringForClient(wanted: Wanted, { bringer, way, maxSize }: RepositoriesTools): Promise<void> {
  const { host, path, url, place, wants, begun } = wanted;
  const { paths, reporter } = bringer;
  const item = { kind: "git", host, path } as const;
  const onTheWay = await way.open(url, maxSize);
  try {
    const environments = await (await bringer.gitEnvironments()).asNobody(onTheWay.settings);
    await asOnlyOne(paths, { host, path }, bringer, async (signal) => {
      await place.parent?.removeLeftovers().catch(() => undefined);
      // Another process may have made it meanwhile.
      const isNew = !place.isFolder();
      const locked = await lockedRevisions(bringer, wanted);
      const fromOne = async (
        at: string,
        revisions: readonly string[],
        ask: Parameters<Parameters<typeof fromAny>[2]["fromOne"]>[1],
      ) =>
        mirrorRepository(
          {
            url: at,
            place,
            revisions,
            refs: { kind: "all", names: [], defaultBranch: true },
            begun: isNew && begun?.isFolder() === true ? begun : undefined,
          },
          {
            environments,
            extra: {},
            signal,
            ask,
            note: (text) => reporter.note(text, item),
            onProgress: () => undefined,
          },
        );
      const bring = async (revisions: readonly string[]) =>
        fromAny(
          [url],
          { ...bringer, signal },
          {
            fromOne: async (at, ask) => fromOne(at, revisions, ask),
            note: (text) => reporter.note(text, item),
          },
        );
      try {
        await bring([...new Set([...wants, ...locked])]);
      } catch (error) {
        if (!saysCommitIsAbsent(error)) throw error;
        if (!place.isFolder()) await bring([]);
      }
      // What another mirror gives may be what only its owner may read.
      await recordAccess(place, "git", new URL(url).hostname.toLowerCase() === host ? "anyone" : "login");
      if (isNew && begun !== undefined) {
        await dropPinsOfNamed(BareRepository.open(place, { environments, signal }), new Set(locked));
      }
    });
  } catch (error) {
    if (!onTheWay.isOverdrawn()) throw error;
    throw new MirrorError("too_large", `https://${host}/${path} is larger than a repository may be here`, {
      cause: error,
    });
  } finally {
    onTheWay.end();
    await begun?.remove();
  }
}

/** A pack that passed was pinned by what its client wanted: what upstream's own refs name needs no pin. */
async function dropPinsOfNamed(repository: BareRepository, locked: ReadonlySet<string>): Promise<void> {
  const refs = [...(await repository.refs())];
  const peeled = await repository.run(["for-each-ref", "--format=%(refname) %(*objectname)", "refs/tags/"]);
  const ofTags = peeled
    .split("\n")
    .filter((line) => !isPin(line))
    .map((line) => line.split(" ")[1] ?? "");
  const named = new Set([...ofTags, ...refs.filter(([ref]) => !isPin(ref)).map(([, id]) => id)]);
  const needless = refs.filter(([ref, id]) => isPin(ref) && named.has(id) && !locked.has(id)).map(([ref]) => ref);
  await repository.updateRefs(needless.map((ref) => `delete ${ref}\n`));
}

/** What known locks name of it, which stays whatever upstream does. */
async function lockedRevisions({ known }: Bringer, wanted: Wanted): Promise<string[]> {
  const { jobs } = repositoryJobs(await known());
  const job = jobs.find((each) => repositoryKey(each) === repositoryKey(wanted));
  return job?.entries.map(({ revision }) => revision) ?? [];
}
