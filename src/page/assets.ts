/** What pages are made of in the browser: files beside this one, and beside the one that it is built into. */
import { readFile } from "node:fs/promises";

const types = {
  "style.css": "text/css; charset=utf-8",
  "script.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
};

export const assets = Object.entries(types).map(([name, type]) => ({
  name,
  type,
  read: async () => readFile(new URL(`./assets/${name}`, import.meta.url)),
}));
