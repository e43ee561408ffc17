/**
 * One bare repository of the mirror. Git is told of it by GIT_DIR and never finds it, and runs in it with our settings
 * only, once it has been looked at (inspect.ts).
 *
 * What comes from upstream is fetched by the user's git, with the user's settings, so it is fetched beside: in a scratch
 * repository with nothing of the mirror's but a list of its refs, that writes its packs where the mirror's objects lie.
 * No setting of a repository that came from who knows where can then lead a fetch elsewhere.
 */
import type { Place } from "../disk/place.ts";
import type { GitEnvironments } from "./environment.ts";
import { requirePlain } from "./inspect.ts";
import type { TransferListener } from "./transfer-trace.ts";
import { runGit, tryGit, upstreamIdleSeconds, type RunOptions, type RunResult, type Surroundings } from "./run.ts";

type Options = Pick<RunOptions, "input" | "onStdout">;

export interface GitTools {
  readonly environments: GitEnvironments;
  readonly signal?: AbortSignal | undefined;
}

export class BareRepository {
  readonly place: Place;
  private readonly tools: GitTools;
  private readonly surroundings: Surroundings;

  private constructor(place: Place, tools: GitTools) {
    this.place = place;
    this.tools = tools;
    this.surroundings = tools.environments.ownIn(place.realPath());
  }

  /** @throws MirrorError `git` where it is no plain one, `storage` where it is not there */
  static open(place: Place, tools: GitTools): BareRepository {
    requirePlain(place, tools.environments.features);
    return new BareRepository(place, tools);
  }

  /** An empty one, whose files tell nothing of where, when or on whose machine it was made. */
  static async create(place: Place, format: "sha1" | "sha256", tools: GitTools): Promise<BareRepository> {
    const { environments, signal } = tools;
    place.parent?.makeFolder();
    const args = ["init", "--quiet", "--bare", "--template=", `--object-format=${format}`, "--", place.path];
    await runGit(args, { ...environments.own(), signal });
    await place.at("config").write(format === "sha256" ? sha256Config : sha1Config);
    return BareRepository.open(place, tools);
  }

  /** Runs git in it to its end, whatever its exit code. @throws MirrorError `git`, `cancelled` */
  async try(args: readonly string[], options: Options = {}): Promise<RunResult> {
    return tryGit(args, { ...this.surroundings, signal: this.tools.signal, ...options });
  }

  /** Likewise. @returns its output, as Latin-1 @throws MirrorError with git's own words where it fails */
  async run(args: readonly string[], options: Options = {}): Promise<string> {
    return runGit(args, { ...this.surroundings, signal: this.tools.signal, ...options });
  }

  /** Full name, as Latin-1 → object id, of heads and tags. */
  async refs(): Promise<Map<string, string>> {
    return readRefs(await this.run(listRefs));
  }

  /** All of them, or none. @param commands of `git update-ref --stdin`, a line each, as Latin-1 */
  async updateRefs(commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.run(["update-ref", "--stdin"], { input: bytesOf(commands) });
  }

  get isShallow(): boolean {
    return this.place.at("shallow").isFile();
  }

  /**
   * Fetches what upstream has under these refspecs, as the user's git would.
   * @param extra variables of this fetch alone @throws MirrorError
   */
  async fetch(
    url: string,
    refspecs: readonly string[],
    {
      depth,
      extra,
      onProgress,
      onStatus,
      onLogin,
      signal,
    }: TransferListener & {
      readonly depth: readonly string[];
      readonly extra: Readonly<Record<string, string>>;
      readonly onProgress: (line: string) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const before = await this.refs();
    const beside = this.tools.environments.scratchPlace();
    try {
      await this.copyRefsTo(beside, before);
      const { env, cwd } = this.tools.environments.upstreamIn(beside.realPath());
      const objects = this.place.at("objects").realPath();
      const args = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--force"];
      await runGit([...args, "--no-recurse-submodules", "--stdin", ...depth, "--", url], {
        env: { ...env, GIT_OBJECT_DIRECTORY: objects, ...extra },
        cwd,
        input: bytesOf(refspecs.map((refspec) => `${refspec}\n`)),
        signal,
        idleSeconds: upstreamIdleSeconds,
        onStderr: onProgress,
        onStatus,
        onLogin,
      });
      await this.takeRefsFrom(beside, before);
    } finally {
      await beside.remove();
    }
  }

  /** As `git init` and `pack-refs` write them. */
  private async copyRefsTo(beside: Place, refs: ReadonlyMap<string, string>): Promise<void> {
    const format = (await this.run(["rev-parse", "--show-object-format"])).trim();
    beside.at("objects").makeFolder();
    beside.at("refs").makeFolder();
    await beside.at("HEAD").write("ref: refs/heads/main\n");
    await beside.at("config").write((format === "sha256" ? sha256Config : sha1Config) + fetchConfig);
    const lines = [...refs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([ref, id]) => `${id} ${ref}\n`);
    await beside.at("packed-refs").write(bytesOf(["# pack-refs with: sorted \n", ...lines]));
    const shallow = await this.place.at("shallow").read();
    if (shallow !== undefined) await beside.at("shallow").write(shallow);
  }

  private async takeRefsFrom(beside: Place, before: ReadonlyMap<string, string>): Promise<void> {
    const { env, cwd } = this.tools.environments.ownIn(beside.realPath());
    const objects = { ...env, GIT_OBJECT_DIRECTORY: this.place.at("objects").realPath() };
    const after = readRefs(await runGit(listRefs, { env: objects, cwd, signal: this.tools.signal }));
    // First what is shallow: a history that ends there is broken without it.
    const shallow = await beside.at("shallow").read();
    if (shallow === undefined) await this.place.at("shallow").remove();
    else await this.place.at("shallow").writeIfChanged(shallow);
    const changed = [...after].filter(([ref, id]) => before.get(ref) !== id);
    await this.updateRefs(changed.map(([ref, id]) => `update ${ref} ${id}\n`));
  }
}

const listRefs = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"];

function readRefs(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => [line.slice(line.indexOf(" ") + 1), line.slice(0, line.indexOf(" "))]));
}

function bytesOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.join(""), "latin1");
}

// Also where an old git does not know of the file that our other settings stand in.
const fetchConfig = "[fetch]\n\tunpackLimit = 1\n[gc]\n\tauto = 0\n[core]\n\thooksPath = /dev/null\n";
const sha1Config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
const sha256Config =
  "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n";
