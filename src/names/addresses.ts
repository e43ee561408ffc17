/** Addresses of this machine alone. */
import { isIP } from "node:net";

/** @param host a name or an address, also of IPv4 within IPv6 */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^::ffff:(?=\d+\.)/, "");
  return plain === "localhost" || plain === "::1" || (isIP(plain) === 4 && plain.startsWith("127."));
}
