/** What brings things from upstream into a mirror for as long as a server runs, and signs what has come. */
import type { Land } from "../artifacts/land-file.ts";
import type { BringTools } from "../artifacts/artifact.ts";
import type { TakeTools } from "../artifacts/take-record.ts";
import type { StorePaths } from "../store/paths.ts";

export interface Bringer extends BringTools {
  readonly paths: StorePaths;
  /** Whether what comes is kept: the folder can be written to, and what is in it can be signed. */
  readonly keeps: boolean;
  readonly land: Land;
  readonly withdraw: TakeTools["withdraw"];
  /** Signs now what has come, where it is not signed yet. */
  readonly publish: () => Promise<void>;
}
