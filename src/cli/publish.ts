/** `mirror-server publish --to s3://BUCKET/PREFIX` */
import type { Published } from "../mirror/publish.ts";
import { formatBytes } from "../text.ts";
import { printResult, type Command } from "./command.ts";

export const publish: Command = async (context) => {
  printResult(context, await context.mirror.publish(), (published) => lines(published, context.config.dryRun));
  return 0;
};

function lines({ uploaded, removed, unchanged, bytes, url, leftOut }: Published, dryRun: boolean): string[] {
  const put = dryRun ? "would put" : "put";
  return [
    ...leftOut.map((name) => `left out the Hex repository ${name}: it may be private (--with-private)`),
    ...(dryRun ? uploaded.map((key) => `would put ${key}`) : []),
    ...removed.map((key) => `${dryRun ? "would remove" : "removed"} ${key}`),
    `${put} ${uploaded.length} objects (${formatBytes(bytes)}), ${unchanged} were there as they are`,
    `  mix hex.repo add hexpm ${url} --public-key public_key.pem`,
  ];
}
