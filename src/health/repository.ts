/**
 * A bare repository as git would find it, without git: packs and indexes that belong together and have their whole length,
 * a HEAD that leads to a ref. Packs that are new are hashed. What git itself said of it is in deeds.ts.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { lookInto } from "../disk/look-into.ts";
import type { Place } from "../disk/place.ts";
import { stampFrom, type Stamped } from "../disk/stamp.ts";
import { describeError } from "../errors.ts";
import { lengthOfHash, parsePackName, type PackPart } from "../git/check-packs.ts";
import { inspectRepository, unservedReason, type GitFeatures } from "../git/inspect.ts";
import { branchesAndTags } from "../git/refs-in-files.ts";
import { repositoryState } from "../git/repository-state.ts";
import type { HeldRepository } from "../store/inventory.ts";
import type { Deed } from "./deeds.ts";
import type { Content } from "./content.ts";
import { headProblem } from "./head.ts";
import { aMoment } from "./lasting.ts";
import type { Pace } from "./pace.ts";
import type { Problem } from "./problem.ts";

export interface RepositoryTools {
  /** What the git here can do. */
  readonly features: GitFeatures;
  readonly content: Content;
}

export class RepositoryWatch {
  readonly held: HeldRepository;
  private readonly tools: RepositoryTools;
  /** Pairs that fit, by the stamps of both. */
  private fitting = new Map<string, string>();

  constructor(held: HeldRepository, tools: RepositoryTools) {
    this.held = held;
    this.tools = tools;
  }

  /** `https://github.com/owner/repo` */
  get shown(): string {
    return `https://${this.held.host}/${this.held.path}`;
  }

  /** Another when git could answer otherwise; files that were written over are seen by `look` alone. */
  stamp(): string {
    try {
      return repositoryState(this.held.place) ?? "-";
    } catch (error) {
      return describeError(error);
    }
  }

  async look(pace: Pace): Promise<Problem[]> {
    const { place } = this.held;
    const unserved = unservedReason(place, this.tools.features)?.replaceAll(place.path, this.held.path);
    // It may not be read at all.
    if (unserved !== undefined) {
      const isWish = inspectRepository(place, this.tools.features).state === "plain";
      const problem = this.problem(`is not served, since ${unserved}`);
      return [{ ...problem, kind: "unserved", ...(isWish ? { isWish } : {}) }];
    }
    const head = await headProblem(place);
    const packs = await this.checkPacks(pace);
    // It names commits, and has nothing that could be one.
    const isHollow = packs.length === 0 && (await this.isHollow());
    return [
      ...(head === undefined ? [] : [this.problem(head)]),
      ...(isHollow ? [this.problem("has refs and no objects: sync to fetch it anew")] : []),
      ...packs,
    ];
  }

  private async isHollow(): Promise<boolean> {
    const objects = this.held.place.at("objects");
    const hasPacks = (await objects.at("pack").list("file")).some((name) => name.endsWith(".pack"));
    const hasLoose = (await objects.list("folder")).some((name) => /^[0-9a-f]{2}$/.test(name));
    if (hasPacks || hasLoose) return false;
    return ((await branchesAndTags(this.held.place))?.size ?? 0) > 0;
  }

  private async checkPacks(pace: Pace): Promise<Problem[]> {
    const folder = this.held.place.at("objects/pack");
    const files = await lookInto(folder, pace.breathe);
    const problems: Problem[] = [];
    const fitting = new Map<string, string>();
    for (const [name, stats] of files) {
      const part = parsePackName(name);
      if (part === undefined) continue;
      await pace.breathe();
      const other = `pack-${part.id}.${part.kind === "pack" ? "idx" : "pack"}`;
      const otherStats = files.get(other);
      if (otherStats === undefined) {
        const problem = this.problem(`cannot be read whole: ${other} is gone, and ${name} is of no use without it`);
        // Git writes the pack first, and takes it away last.
        problems.push(part.kind === "pack" ? { ...problem, passesWithin: aMoment } : problem);
        continue;
      }
      if (part.kind === "pack") {
        const stamps = `${stampFrom(stats)} ${stampFrom(otherStats)}`;
        const misfit = this.fitting.get(name) === stamps ? undefined : misfitOf(folder, name, part);
        if (misfit !== undefined) {
          problems.push(this.problem(misfit));
          continue;
        }
        fitting.set(name, stamps);
      }
      if ((await this.isWhole(folder.at(name), part, stats, pace)) === false)
        problems.push(this.problem(`cannot be read whole: the ${part.kind} ${name} is damaged`));
    }
    this.fitting = fitting;
    return problems;
  }

  /** undefined: not known yet, or gone meanwhile. */
  private async isWhole(file: Place, part: PackPart, stats: Stamped, pace: Pace): Promise<boolean | undefined> {
    try {
      return await this.tools.content.isWholePack(file, part, stats, pace);
    } catch (error) {
      if (!file.isFile()) return undefined;
      throw error;
    }
  }

  problemOfDeed({ words, since }: Deed): Problem {
    const said = words.replaceAll(this.held.place.path, this.held.path);
    return this.problem(
      `could not be given to a client by git (since ${new Date(since).toISOString().slice(0, 19)}Z): ${said}`,
    );
  }

  /** @param what after the repository's name */
  problem(what: string): Problem {
    const text = `the copy of ${this.shown} ${what}`;
    return { kind: "repository", severity: "degraded", subject: `${this.held.host}/${this.held.path}`, text };
  }
}

/**
 * What the two say of each other: the index ends with the pack's hash, and knows how many objects are in it.
 * https://git-scm.com/docs/gitformat-pack @returns what is wrong; undefined where they fit, or are just going
 */
function misfitOf(folder: Place, name: string, part: PackPart): string | undefined {
  const length = lengthOfHash(part);
  const read = (file: string, from: number, size: number) => readPart(folder.at(file), from, size);
  const index = name.replace(/pack$/, "idx");
  try {
    const header = read(name, 0, 12);
    const packEnd = read(name, -length, length);
    const indexBegin = read(index, 0, 8);
    // Version 1 has no header: the counts come first.
    const isNew = indexBegin.equals(Buffer.from("ff744f6300000002", "hex"));
    const indexEnd = read(index, -2 * length, length);
    const count = read(index, (isNew ? 8 : 0) + 255 * 4, 4);
    const fits =
      header.subarray(0, 4).toString("latin1") === "PACK" &&
      packEnd.length === length &&
      packEnd.equals(indexEnd) &&
      count.equals(header.subarray(8, 12));
    return fits ? undefined : `cannot be read whole: ${name} and its index do not fit, so that one of them is damaged`;
  } catch (error) {
    const isGone = !folder.at(name).isFile() || !folder.at(index).isFile();
    return isGone ? undefined : `cannot be read whole: ${name}: ${describeError(error)}`;
  }
}

/** @param from negative: from the end @returns less where the file is shorter */
function readPart(file: Place, from: number, size: number): Buffer {
  const handle = openSync(file.verifiedPath(), "r");
  try {
    const start = from < 0 ? Math.max(0, fstatSync(handle).size + from) : from;
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, readSync(handle, bytes, 0, size, start));
  } finally {
    closeSync(handle);
  }
}
