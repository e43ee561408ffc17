/** What the mirror could not give, for people: which things, and the way out of it. Pure. */
import { installersHost } from "../names/known-hosts.ts";
import { hexpm, ownRepository, shownPackage } from "../names/hex-repository.ts";
import { idOf, type Item } from "../names/item.ts";
import type { LackReport } from "../clients/running-server.ts";
import { itemOf } from "./lacking-items.ts";
import { shellQuoted } from "../text.ts";
import { showItem } from "../names/shown-item.ts";

export interface Circumstances {
  /** The command that ran. */
  readonly args: readonly string[];
  readonly hasFailed: boolean;
  /** Packages that the project names itself. */
  readonly declared: readonly string[];
  /** Which mirror is meant, as flags, each with a blank before it. */
  readonly options: string;
  /** Hex repositories that the mirror is known to have. */
  readonly repositories: readonly string[];
  /** Those of them that are its own: what is in them comes from nowhere else. */
  readonly ownRepositories: readonly string[];
  /** Packages of hexpm's that the project names and the mirror holds no release of. */
  readonly empty: readonly string[];
}

const shown = 5;
// Characters.
const longestShown = 60;
// Not what a command that went well may have asked for in passing, such as records of optional dependencies.
const essential: ReadonlySet<Item["kind"]> = new Set(["release", "git", "policy"]);

/** @returns a line, or two where upstream could be asked for some and not for others */
export function lackingLines(
  report: LackReport,
  { args, hasFailed, declared, empty, repositories, ownRepositories, options }: Circumstances,
): string[] {
  const found = new Map<string, { item: Item; code: string; reason: string }>();
  for (const each of report.lacking) {
    const item = itemOf(each, repositories);
    if (item !== undefined && (hasFailed || essential.has(item.kind))) found.set(idOf(item), { ...each, item });
  }
  for (const name of empty) {
    const item = { kind: "package", repository: hexpm, name } as const;
    found.set(idOf(item), { item, code: "not_found", reason: "" });
  }
  const all = meant([...found.values()], declared);
  // A package that is not there has no releases: one word for both.
  const packages = new Set(all.flatMap(({ item }) => (item.kind === "package" ? [item.name] : [])));
  const told = all.filter(({ item }) => item.kind !== "release" || !packages.has(item.name));
  // One that is not there yet, too.
  const own = new Set([ownRepository, ...ownRepositories]);
  const made = told.filter(({ item }) => item.kind !== "policy" && "repository" in item && own.has(item.repository));
  const others = told.filter((each) => !made.includes(each));
  const isAbsent = ({ code }: { code: string }) => report.pulls && code === "not_found";
  const absent = others.filter(isAbsent);
  const lacks = others.filter((each) => !isAbsent(each));
  return [
    ...(made.length === 0
      ? []
      : [
          `the mirror lacks ${list(made)}: "mirror-server add${options} --repo NAME FILE.tar" puts packages of its own in`,
        ]),
    ...(lacks.length === 0
      ? []
      : [
          `the mirror lacks ${list(lacks)}: ${wayOut(
            lacks.map(({ item }) => item),
            { args, report, options },
          )}`,
        ]),
    ...(absent.length === 0
      ? []
      : [
          `neither the mirror nor its upstream gives ${list(absent)}: ${[...new Set(absent.map(({ reason }) => reason))].slice(0, 2).join("; ")}`,
        ]),
  ];
}

/** Clients ask for every optional dependency of what they know: where the project names some of the packages, those are meant. */
function meant<T extends { readonly item: Item }>(found: readonly T[], declared: readonly string[]): readonly T[] {
  const isDeclared = ({ item }: T) => item.kind === "package" && declared.includes(item.name);
  return found.some(isDeclared) ? found.filter((each) => each.item.kind !== "package" || isDeclared(each)) : found;
}

function list(found: readonly { readonly item: Item }[]): string {
  const names = found.slice(0, shown).map(({ item }) => showItem(item));
  const more = found.length > shown ? ` and ${found.length - shown} more` : "";
  return names.join(", ") + more;
}

interface Way {
  readonly args: readonly string[];
  readonly report: LackReport;
  readonly options: string;
}

function wayOut(items: readonly Item[], { args, report, options }: Way): string {
  // No mirror fetches these by itself: they are an organisation's.
  if (items.every(({ kind }) => kind === "policy")) {
    return "Hex brings nothing without it; where you may, run without HEX_POLICY (and mix hex.config policy)";
  }
  const words = args.map(shellQuoted).join(" ");
  // A long one is nothing to copy from a line, and may hold what a log should not.
  const command = words.length > longestShown || /\s['"]|\n/.test(words) ? "…" : words;
  const again = `online, run ${report.pulls ? "the same again" : `"mirror-server exec${options} --pull -- ${command}"`}`;
  const packages = items.flatMap((item) => {
    if (item.kind === "release")
      return [`--package ${shellQuoted(`${shownPackage(item.repository, item.name)}@${item.version}`)}`];
    return item.kind === "package"
      ? [`--package ${shellQuoted(`${shownPackage(item.repository, item.name)}@VERSION`)}`]
      : [];
  });
  const isFile = items.some((item) => item.kind === "file" && !item.url.includes(installersHost));
  const syncs = [
    ...packages,
    ...(items.some(({ kind }) => kind === "installer") ? ["--installers"] : []),
    ...(items.some(({ kind }) => kind === "documentation") ? ["--docs"] : []),
    // Where a package of the lock downloads it; else it has to be named.
    ...(isFile ? ["--artefacts"] : []),
  ];
  return [
    again,
    ...(syncs.length === 0 ? [] : [`or "mirror-server sync${options} ${syncs.slice(0, shown).join(" ")}"`]),
    ...(isFile ? ['or name it under "files" in mirror.config.json and sync'] : []),
  ].join(", ");
}
