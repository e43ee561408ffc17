/** The jobs that read and write a registry's records, for which protobuf is needed: loaded together, and only for them. */
export { build, buildAsOnlyWriter, finishUnsigned } from "../registry/build.ts";
export { verify } from "./verify.ts";
