/**
 * A bare repository that is begun with a pack that has passed by, from upstream to a client: git indexes it, and what the client
 * wanted is pinned, so that what is fetched for the rest names it as had.
 */
import { once } from "node:events";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { onAbort } from "../listeners.ts";
import { BareRepository, type GitTools } from "./bare-repository.ts";
import { keepEmptyFolders } from "./empty-folders.ts";
import type { FetchRequest } from "./fetch-request.ts";
import { PassingPack } from "./passing-pack.ts";
import { pinsFor } from "./pins.ts";
import { endGit, startGit } from "./run.ts";

/**
 * @param place a temporary one, which the caller removes unless it comes to something
 * @param answer of `git-upload-pack` to the request, from its beginning
 * @throws MirrorError `git` where there was no whole pack in it, `cancelled`
 */
export async function beginRepository(
  place: Place,
  answer: AsyncIterable<Buffer>,
  { wants, framing }: FetchRequest,
  tools: GitTools,
): Promise<void> {
  await BareRepository.create(place, wants[0]?.length === 64 ? "sha256" : "sha1", tools);
  await keepEmptyFolders(place);
  const { env, cwd } = tools.environments.ownIn(place.realPath());
  const child = startGit(["index-pack", "--stdin"], { env, cwd, isBackground: true });
  const exit = new Promise<number | null>((resolve) => {
    child.once("close", resolve);
    child.once("error", () => resolve(null));
  });
  const { stdin } = child;
  stdin.on("error", () => undefined);
  child.stdout.resume();
  child.stderr.resume();
  const stopListening = onAbort(tools.signal, () => endGit(child));
  try {
    const pieces: Buffer[] = [];
    const pack = new PassingPack(framing, (bytes) => pieces.push(bytes));
    for await (const chunk of answer) {
      pack.push(chunk);
      for (const piece of pieces.splice(0)) {
        if (stdin.writable && !stdin.write(piece))
          await Promise.race([once(stdin, "drain").catch(() => undefined), exit]);
      }
    }
    stdin.end();
    if ((await exit) !== 0 || !pack.isWhole) {
      throw new MirrorError("git", "what passed to a client was no whole pack");
    }
  } finally {
    stopListening();
    endGit(child);
    await exit;
  }
  const repository = BareRepository.open(place, tools);
  await repository.updateRefs(await pinsFor(repository, wants));
}
