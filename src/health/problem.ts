/** What is wrong with what a mirror holds, so that it can be counted, told and looked for again. */
export interface Problem {
  readonly kind: ProblemKind;
  /** `unhealthy`: what is held cannot be served; `degraded`: a part of it cannot. */
  readonly severity: "degraded" | "unhealthy";
  /** What it is about: the same thing has the same subject each time. */
  readonly subject: string;
  /** A sentence without an end, for people who need not know where the mirror lies. */
  readonly text: string;
  /** Whether somebody wants it so, such as a repository that is not to be served. */
  readonly isWish?: true;
  /** What is so for a moment while somebody writes is told once it was so for longer. Milliseconds. */
  readonly passesWithin?: number;
}

export type ProblemKind =
  | "registry"
  | "record"
  | "tarball"
  | "unsigned"
  | "repository"
  | "unserved"
  | "folder"
  | "link"
  | "trust"
  | "worker"
  | "watch"
  | "certificate"
  | "upstream"
  | "disk";

// Of one kind; that there are more is told.
const most = 10;

/** One line each, the worst first; where there are many of a kind, how many. */
export function linesOf(problems: readonly Problem[]): string[] {
  const worstFirst = [...problems].sort(
    (a, b) => Number(a.severity === "degraded") - Number(b.severity === "degraded"),
  );
  const counts = new Map<ProblemKind, number>();
  const lines: string[] = [];
  for (const { kind, text } of worstFirst) {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (count <= most) lines.push(text);
  }
  const left = [...counts].filter(([, count]) => count > most);
  return [...lines, ...left.map(([kind, count]) => `and ${count - most} more of the kind "${kind}"`)];
}
