/** `mirror-server certs renew`, `mirror-server certs export [FOLDER]` */
import { resolve } from "node:path";
import { MirrorError } from "../errors.ts";
import type { ExportedCertificates } from "../mirror/certificates.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";

export const certs: Command = async (context, args) => {
  // Which action it is, the command line has looked at.
  const [action, folder, ...others] = args;
  if (action === "export" && others.length === 0) return exportCertificates(context, folder);
  if (action === undefined || folder !== undefined) {
    throw new MirrorError(
      "usage",
      'give what to do: "mirror-server certs renew", with --new-ca for a new authority, or "mirror-server certs export"',
    );
  }
  const { newCa } = context.config;
  const renewed = await context.mirror.renewCertificates({ newCa });
  printResult(context, renewed, ({ ca, hosts, validTo, uncovered }) => [
    `the server certificate in ${context.config.certsDir} holds until ${validTo.slice(0, 10)}, for ${hosts.join(", ")}`,
    ...uncovered.map((host) => `not for ${host}, which the authority may not vouch for: renew with --new-ca`),
    ...(newCa ? [`clients have to trust the new ${ca}`] : []),
    "a server that runs takes it within seconds",
  ]);
  return 0;
};

async function exportCertificates(context: CommandContext, folder: string | undefined): Promise<number> {
  if (context.config.newCa) {
    throw new MirrorError("usage", "certs export gives what is there: run certs renew --new-ca first");
  }
  if (folder === undefined && context.isOutputTerminal) {
    throw new MirrorError(
      "usage",
      "that would show a key on the terminal: give a folder, or pipe it to kubectl apply -f -",
    );
  }
  const dir = folder === undefined ? undefined : resolve(context.cwd, folder);
  const exported = await context.mirror.exportCertificates(dir);
  const { hosts, uncovered, validTo } = exported;
  for (const host of uncovered)
    context.tell(`not for ${host}, which the authority may not vouch for: certs renew --new-ca`);
  if (dir === undefined) context.write(secretOf(exported));
  else {
    printResult(context, { dir, hosts, uncovered, validTo }, () => [
      `a server certificate and its key lie in ${dir}, until ${validTo.slice(0, 10)}, for ${hosts.join(", ")}`,
      `  mirror-server serve --read-only --tls-cert ${dir}/tls.crt --tls-key ${dir}/tls.key --tls-ca ${dir}/ca.crt`,
    ]);
  }
  return 0;
}

/** https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets */
function secretOf({ cert, key, ca }: ExportedCertificates): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return [
    "apiVersion: v1",
    "kind: Secret",
    "metadata:",
    "  name: mirror-server-tls",
    "type: kubernetes.io/tls",
    "data:",
    `  tls.crt: ${base64(cert)}`,
    `  tls.key: ${base64(key)}`,
    `  ca.crt: ${base64(ca)}`,
    "",
  ].join("\n");
}
