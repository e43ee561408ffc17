/** This program's version and where it is at home, as package.json says it. */
import { readFileSync } from "node:fs";

const file = new URL("../package.json", import.meta.url);

export const { version, homepage } = JSON.parse(readFileSync(file, "utf8")) as {
  readonly version: string;
  readonly homepage: string;
};
