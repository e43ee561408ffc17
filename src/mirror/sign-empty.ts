/**
 * A new mirror gets an empty, signed registry when it is first served, so that clients hear of it as of one that holds
 * nothing yet.
 */
import { access, constants } from "node:fs/promises";
import type { Logger } from "pino";
import { MirrorError, describeError } from "../errors.ts";
import { hexpm } from "../names/hex-repository.ts";
import { build, finishUnsigned, isFinished, type SigningKey } from "../registry/build.ts";
import { silentReporter } from "../reporter.ts";
import { asOnlyWriter, type Context } from "../store/context.ts";
import { listTarballs } from "../store/inventory.ts";

export interface EmptySigning {
  /** Done when nothing is signed any more. */
  readonly stop: () => Promise<void>;
}

/** @returns what ends the signing, where it has to wait for another process and goes on beside the serving */
export async function signEmptyRegistry(context: Context<SigningKey>, logger: Logger): Promise<EmptySigning> {
  const { paths } = context;
  const stopping = new AbortController();
  let later: Promise<void> | undefined;
  const signing: EmptySigning = {
    stop: async () => {
      stopping.abort();
      await later;
    },
  };
  // A mirror's folder that is none of ours ends it here; a registry's does not keep git from being served.
  paths.mirror.look();
  try {
    if (await isSigned(context)) {
      await finishSigning(context, logger);
      return signing;
    }
    paths.hex.makeFolder();
    paths.mirror.makeFolder();
    await access(paths.mirror.verifiedPath(), constants.W_OK);
  } catch (error) {
    logger.warn(`the mirror has no signed registry, and none can be written here: ${describeError(error)}`);
    return signing;
  }
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const quiet = { ...context, reporter: silentReporter, signal };
  await build(quiet, { wait: false }).catch((error: unknown) => {
    if (!isBusy(error)) throw error;
    logger.warn("another process is writing to this mirror; its registry is signed, if need be, when that is done");
    later = signLater(quiet, logger);
  });
  return signing;
}

/** What a process that was killed had brought and not signed. */
async function finishSigning(context: Context<SigningKey>, logger: Logger): Promise<void> {
  const { paths } = context;
  if (!paths.privateKey.isFile() || (await isFinished(context))) return;
  await asOnlyWriter({ ...context, reporter: silentReporter }, finishUnsigned, false).catch((error: unknown) => {
    if (!isBusy(error)) logger.warn(`what came last is not signed yet: ${describeError(error)}`);
  });
}

/** A first sync signs the registry itself; one that was killed leaves that to us. */
async function signLater(context: Context<SigningKey>, logger: Logger): Promise<void> {
  while (!context.signal.aborted) {
    try {
      await build(context);
      return;
    } catch (error) {
      if (await isSigned(context).catch(() => false)) return;
      if (!isBusy(error) && !context.signal.aborted) {
        logger.error(`the registry cannot be signed: ${describeError(error)}`);
        return;
      }
    }
  }
}

async function isSigned({ paths }: Context): Promise<boolean> {
  const registry = paths.registry(hexpm);
  return registry.resource("names").isFile() || (await listTarballs(registry)).length > 0;
}

function isBusy(error: unknown): boolean {
  return error instanceof MirrorError && error.code === "busy";
}
