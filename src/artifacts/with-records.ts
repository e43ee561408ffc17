/** What reads upstream's records, or our own, for which protobuf is needed: loaded together, and only for that. */
export { fetchDocs, unpacks } from "../upstream/hex.ts";
export { bringPackages } from "./bring-packages.ts";
export { checkPackage } from "./check-package.ts";
export { createDamage } from "./package-damage.ts";
