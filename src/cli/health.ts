/** `mirror-server health`: asks the running server; made for HEALTHCHECK in images without curl. */
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { localUrl, plainGet } from "../upstream/plain-get.ts";
import { printResult, type Command } from "./command.ts";

const schema = z.looseObject({ status: z.string(), problems: z.array(z.string()).default([]) });

export const health: Command = async (context) => {
  const { host, port } = context.config;
  if (port === 0) throw new MirrorError("config", "--port: give the port that the server listens on");
  const url = `${localUrl({ host, port })}/health`;
  const report = await ask(url);
  printResult(context, report, ({ status, problems }) => [status, ...problems]);
  return report.status === "unhealthy" ? 1 : 0;
};

async function ask(url: string): Promise<z.infer<typeof schema>> {
  try {
    return schema.parse(JSON.parse(await plainGet(url, { seconds: 5 })));
  } catch (cause) {
    throw new MirrorError("upstream", `no mirror-server answers at ${url}`, { cause });
  }
}
