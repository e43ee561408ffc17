/** What a run has come to, so that two of them can be compared. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../git.ts";
import { treeOf } from "./left.ts";

/** What lies in its folders; of a git repository what leads to something, since packs come about in several ways. */
export async function stateOf(cwd: string): Promise<Record<string, string>> {
  const isGit = /^\.mirror\/git\/.*\.git\//;
  // A dead one's lock goes with the next who takes it; what is noted in it counts.
  const isPassing = /^(?:report\.json|app|\.cache|certs|\.mirror\/\.lock)(?:\/(?!unsigned\.json$)|$)/;
  const tree = await treeOf(cwd, (path) => isGit.test(path) || isPassing.test(path));
  // History tells days.
  const timed = Object.entries(tree).map(([path, content]) => {
    return [path, path.startsWith(".mirror/history/") && content !== "folder" ? "" : content] as const;
  });
  const state = new Map(timed);
  await mkdir(join(cwd, ".cache"), { recursive: true });
  const cached = await treeOf(join(cwd, ".cache"), (path) => !path.includes(".tmp-"));
  for (const path of Object.keys(cached)) state.set(`.cache/${path}`, "left");
  for (const path of Object.keys(tree).filter((each) => /^\.mirror\/git\/.*\.git$/.test(each))) {
    const repository = join(cwd, path);
    state.set(path, await git(repository, ["for-each-ref"]));
    await git(repository, ["fsck", "--strict", "--no-dangling"]).catch((error: unknown) =>
      state.set(path, String(error)),
    );
    const left = await treeOf(repository, (name) => !/\.lock$|tmp_|\.tmp-|\.keep$/.test(name));
    for (const name of Object.keys(left).filter((each) => !each.endsWith(".gitkeep")))
      state.set(`${path}/${name}`, "left");
  }
  return Object.fromEntries(state);
}

/** Of one that was disturbed, after one more run that was not. */
export function differences(
  expected: Record<string, string>,
  here: Record<string, string>,
  isForgiven: (path: string) => boolean,
): string[] {
  const paths = [...new Set([...Object.keys(expected), ...Object.keys(here)])];
  return paths
    .filter((path) => expected[path] !== here[path] && !isForgiven(path))
    .map(
      (path) =>
        `${path} is ${path in here ? (path in expected ? `${here[path]}, not ${expected[path]},` : "left") : "missing"} after the next`,
    );
}
