/** `mirror-server env` */
import { formatVariables } from "../clients/formats.ts";
import { MirrorError } from "../errors.ts";
import type { Command } from "./command.ts";
import { projectLocks } from "./locks.ts";

export const env: Command = async (context) => {
  const { config, mirror, write } = context;
  if (config.url === undefined && config.port === 0) {
    throw new MirrorError("config", "--port: give the port that the server listens on");
  }
  const format = config.json ? "json" : config.format;
  // What is taken back has nothing to do with any project.
  const locks = config.revert ? [] : await projectLocks(context);
  const change = await mirror.clientVariables(locks, config.revert);
  write(`${formatVariables(format, change, config.revert)}\n`);
  return 0;
};
