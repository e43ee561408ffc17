/** What signs a registry, for which protobuf is needed: loaded together, and only for that. */
export { build, buildAsOnlyWriter, finishUnsigned } from "./build.ts";
