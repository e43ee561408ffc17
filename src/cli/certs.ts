/** `mirror-server certs renew` */
import { MirrorError } from "../errors.ts";
import { printResult, type Command } from "./command.ts";

export const certs: Command = async (context, args) => {
  // Which one it is, the command line has looked at.
  if (args.length !== 1) {
    throw new MirrorError("usage", 'give what to do: "mirror-server certs renew", with --new-ca for a new authority');
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
