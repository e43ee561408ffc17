/** Parts of node-forge that can be loaded alone; its types know the whole only. */
declare module "node-forge/lib/asn1.js" {
  import type forge from "node-forge";

  export type Asn1 = forge.asn1.Asn1;
  const asn1: Omit<typeof forge.asn1, "fromDer"> & {
    fromDer: (
      bytes: string,
      options: { readonly strict: boolean; readonly parseAllBytes: boolean; readonly decodeBitStrings: boolean },
    ) => Asn1;
  };
  export default asn1;
}

declare module "node-forge/lib/util.js" {
  const util: { bytesFromIP: (ip: string) => string | null };
  export default util;
}
