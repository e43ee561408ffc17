/** `mirror-server env` */
import { formatVariables } from "../clients/formats.ts";
import { MirrorError } from "../errors.ts";
import type { Command } from "./command.ts";
import { projectLocks } from "./locks.ts";

export const env: Command = async ({ config, mirror, cwd, write }) => {
  if (config.url === undefined && config.port === 0) {
    throw new MirrorError("config", "--port: give the port that the server listens on");
  }
  const format = config.json ? "json" : config.format;
  const change = await mirror.clientVariables(await projectLocks(cwd, config), config.revert);
  write(`${formatVariables(format, change, config.revert)}\n`);
  return 0;
};
