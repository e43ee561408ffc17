/** What brings a mirror to other machines, and back. Loaded together, and only when one of these is asked for. */
export { pack } from "./pack.ts";
export { publish } from "./publish.ts";
export { unpack, verifyImage } from "./unpack.ts";
