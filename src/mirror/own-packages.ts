/** Packages of one's own, put in and taken out: loaded together, and only for that. */
export { add } from "./add.ts";
export { remove } from "./remove.ts";
