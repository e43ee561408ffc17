/** What reads and writes records, for which protobuf is needed: loaded together, and only for that. */
export { build, buildAsOnlyWriter, finishUnsigned } from "../registry/build.ts";
export { createOwnNames } from "../registry/own-names.ts";
export { fetchDocs, unpacks } from "../upstream/hex.ts";
export { bringPackages } from "./bring-packages.ts";
export { bringPolicy, policyDamage } from "./bring-policy.ts";
export { checkPackage } from "./check-package.ts";
export { openNeeds } from "./needs.ts";
export { createDamage } from "./package-damage.ts";
export { bringUpstreamLists } from "./upstream-lists.ts";
