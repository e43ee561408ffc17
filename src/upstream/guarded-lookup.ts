/**
 * A look at the addresses of a host where the connection is made, so that what was looked at is what is connected to: a name
 * that leads to this machine or its network is connected to only where somebody named it.
 */
import { lookup as lookUp } from "node:dns";
import type { LookupFunction } from "node:net";
import { isPrivateAddress } from "./private-address.ts";

/** Whether this host may have that address. @param host lower case */
export type MayConnect = (host: string, address: string) => boolean;

/** @param named hosts that may have any address */
export function onlyPublic(named: ReadonlySet<string>): MayConnect {
  return (host, address) => named.has(host) || !isPrivateAddress(address);
}

export class PrivateAddress extends Error {
  readonly code = "ERR_PRIVATE_ADDRESS";
}

/** As `net.connect` takes it. */
export function guardedLookup(mayConnect: MayConnect): LookupFunction {
  return (hostname, options, callback) => {
    lookUp(hostname, { ...options, all: true }, (error, addresses) => {
      const host = hostname.toLowerCase();
      const allowed = (addresses ?? []).filter(({ address }) => mayConnect(host, address));
      const [first] = allowed;
      if (error !== null) callback(error, "");
      else if (first === undefined) {
        const why = `${hostname} is an address of this machine or its network, and nobody named it`;
        callback(new PrivateAddress(why), "");
      } else if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
