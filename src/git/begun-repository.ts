/**
 * A bare repository that is begun with a pack that passes by, from upstream to a client: git indexes it as it comes, and what
 * the client wanted is pinned, so that what is fetched for the rest names it as had.
 */
import { once } from "node:events";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { BareRepository, type GitTools } from "./bare-repository.ts";
import { keepEmptyFolders } from "./empty-folders.ts";
import { pinsFor } from "./pins.ts";
import { endGit, startGit, type GitChild } from "./run.ts";

// What passes is not held up by us for less. Bytes.
const maxWaiting = 64 * 1024 * 1024;

export class BegunRepository {
  readonly place: Place;
  private readonly child: GitChild;
  private readonly exit: Promise<number | null>;
  private readonly tools: GitTools;

  private constructor(place: Place, child: GitChild, tools: GitTools) {
    this.place = place;
    this.child = child;
    this.tools = tools;
    child.stdin.on("error", () => undefined);
    child.stdout.resume();
    child.stderr.resume();
    this.exit = new Promise((resolve) => {
      child.once("close", resolve);
      child.once("error", () => resolve(null));
    });
  }

  /** @param place a temporary one, which is gone again unless it comes to something */
  static async begin(place: Place, format: "sha1" | "sha256", tools: GitTools): Promise<BegunRepository> {
    await BareRepository.create(place, format, tools);
    await keepEmptyFolders(place);
    const { env, cwd } = tools.environments.ownIn(place.realPath());
    return new BegunRepository(place, startGit(["index-pack", "--stdin"], { env, cwd, isBackground: true }), tools);
  }

  /** Resolves when there is room for more. */
  async write(chunk: Buffer): Promise<void> {
    const { stdin } = this.child;
    if (!stdin.writable) return;
    stdin.write(chunk);
    if (stdin.writableLength > maxWaiting) await Promise.race([once(stdin, "drain").catch(() => undefined), this.exit]);
  }

  /** @param wants what the client asked for @throws MirrorError `git` where what passed was no whole pack */
  async finish(wants: readonly string[]): Promise<void> {
    this.child.stdin.end();
    if ((await this.exit) !== 0) throw new MirrorError("git", "what passed to a client was no whole pack");
    const repository = BareRepository.open(this.place, this.tools);
    await repository.updateRefs(await pinsFor(repository, wants));
  }

  async remove(): Promise<void> {
    endGit(this.child);
    await this.exit;
    await this.place.remove();
  }
}
