/** `mirror-server health`: asks the running server; made for HEALTHCHECK in images without curl. */
import { isIPv6 } from "node:net";
import { request } from "undici";
import { z } from "zod";
import { MirrorError } from "../errors.ts";
import { printResult, type Command } from "./command.ts";

const schema = z.looseObject({ status: z.string(), problems: z.array(z.string()) });

export const health: Command = async (context) => {
  const { host, port } = context.config;
  if (port === 0) throw new MirrorError("config", "--port: give the port that the server listens on");
  const url = `http://${addressToAsk(host)}:${port}/health`;
  const report = await ask(url);
  printResult(context, report, ({ status, problems }) => [status, ...problems]);
  return report.status === "unhealthy" ? 1 : 0;
};

async function ask(url: string): Promise<z.infer<typeof schema>> {
  try {
    const answer = await request(url, { headersTimeout: 5_000, bodyTimeout: 5_000 });
    return schema.parse(await answer.body.json());
  } catch (cause) {
    throw new MirrorError("upstream", `no mirror-server answers at ${url}`, { cause });
  }
}

/** A server that listens on every address is asked on this machine's own. */
function addressToAsk(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return isIPv6(host) ? `[${host}]` : host;
}
