/** `mirror-server health`: asks the running server; made for HEALTHCHECK in images without curl. */
import { get } from "node:http";
import { isIPv6 } from "node:net";
import { text } from "node:stream/consumers";
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
    return schema.parse(JSON.parse(await getText(url)));
  } catch (cause) {
    throw new MirrorError("upstream", `no mirror-server answers at ${url}`, { cause });
  }
}

/** By node:http: fetch() refuses some ports, and a client library would cost a health check its start-up time. */
async function getText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(5_000) }, (answer) => {
      text(answer).then(resolve, reject);
    });
    request.once("error", reject);
  });
}

/** A server that listens on every address is asked on this machine's own. */
function addressToAsk(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return isIPv6(host) ? `[${host}]` : host;
}
