/**
 * Addresses that belong to this machine or its network. A host that only content names (a `.gitmodules`, a redirect) may
 * lead there what reaches more than its author does, so it is not asked.
 */
import { lookup } from "node:dns/promises";
import { BlockList, isIP, isIPv6 } from "node:net";

const closed = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
] as const) {
  closed.addSubnet(net, bits, "ipv4");
}
for (const [net, bits] of [
  ["::", 128],
  ["::1", 128],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
] as const) {
  closed.addSubnet(net, bits, "ipv6");
}

/** Loopback, link-local or private; of IPv6 also what stands for such an address of IPv4. */
export function isPrivateAddress(address: string): boolean {
  const plain = address.split("%", 1)[0] ?? "";
  if (!isIPv6(plain)) return isIP(plain) === 4 && closed.check(plain, "ipv4");
  return closed.check(plain, "ipv6") || isPrivateAddress(embedded(plain));
}

/** The address of IPv4 in one of IPv6 that translates or carries it (RFC 4291, 6052, 3056); empty where there is none. */
function embedded(address: string): string {
  const groups = groupsOf(address);
  const dotted = (high = 0, low = 0) => [high >> 8, high & 255, low >> 8, low & 255].join(".");
  const startsWith = (...first: number[]) => first.every((group, index) => groups[index] === group);
  if (startsWith(0, 0, 0, 0, 0, 0) || startsWith(0, 0, 0, 0, 0, 0xffff)) return dotted(groups[6], groups[7]);
  if (startsWith(0x64, 0xff9b, 0, 0, 0, 0) || startsWith(0x64, 0xff9b, 1)) return dotted(groups[6], groups[7]);
  return startsWith(0x2002) ? dotted(groups[1], groups[2]) : "";
}

/** Eight numbers. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [numbers(head), numbers(tail ?? "")];
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}

/** Whether any address of a host is. One that cannot be resolved here, as behind a proxy, is nobody's neighbour. */
export async function isPrivateHost(host: string): Promise<boolean> {
  const name = host.replace(/^\[|\]$/g, "");
  if (isIP(name) !== 0) return isPrivateAddress(name);
  try {
    return (await lookup(name, { all: true })).some(({ address }) => isPrivateAddress(address));
  } catch {
    return false;
  }
}
