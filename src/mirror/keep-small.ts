/** Keeps a mirror that grows by what clients ask for below a size: looks some time after something has come, and not too often. */
import type { Kinds } from "../artifacts/kinds.ts";
import { describeError } from "../errors.ts";
import type { Context } from "../store/context.ts";
import { evict, type PruneKey } from "./prune.ts";

export interface KeepSmall {
  readonly grown: () => void;
  /** When nothing is removed any more. */
  readonly stop: () => Promise<void>;
}

// Milliseconds after something has come, and at least between two looks.
const settle = 1000;
const pause = 10_000;

export interface KeepSmallSettings {
  /** Bytes; undefined: no limit. */
  readonly maxSize: number | undefined;
  /** Writes down when what is held was last used. */
  readonly saveUses: () => Promise<void>;
}

export function keepSmall(
  context: Context<PruneKey>,
  openKinds: () => Kinds,
  { maxSize, saveUses }: KeepSmallSettings,
): KeepSmall {
  const { reporter } = context;
  let timer: NodeJS.Timeout | undefined;
  let looked = -Infinity;
  let looking: Promise<void> = Promise.resolve();
  let isStopped = false;
  const look = async (limit: number) => {
    try {
      await saveUses();
      const bytes = await evict(context, openKinds, { maxSize: limit });
      if (bytes > 0) reporter.note(`the mirror was larger than --max-size: ${bytes} bytes went that nothing names`);
    } catch (error) {
      reporter.warn(`what is more than --max-size cannot be removed: ${describeError(error)}`);
    }
    looked = Date.now();
  };
  return {
    grown: () => {
      if (maxSize === undefined || timer !== undefined || isStopped) return;
      const wait = Math.max(settle, looked + pause - Date.now());
      timer = setTimeout(() => {
        timer = undefined;
        looking = look(maxSize);
      }, wait).unref();
    },
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}
