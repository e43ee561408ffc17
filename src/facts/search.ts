/** Searching in what is held. Pure. */
import type { HeldPackage } from "./shape.ts";

/** Those whose name, description or licence has all the words. */
export function matching(packages: readonly HeldPackage[], search: string): readonly HeldPackage[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return packages;
  return packages.filter(({ name, description, licenses }) => {
    const text = `${name} ${description ?? ""} ${licenses.join(" ")}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
