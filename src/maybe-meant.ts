/** What somebody who mistyped a word may have meant. */
import leven from "leven";
import { oneOf } from "./text.ts";

/** `did you mean "renew"?`, or all there is to say. */
export function maybeMeant(given: string, choices: readonly string[]): string {
  const near = nearest(given, choices);
  return near === undefined ? `give ${oneOf(choices)}` : `did you mean "${near}"?`;
}

/** undefined where nothing comes near. */
export function nearest(given: string, choices: readonly string[]): string | undefined {
  const [best] = choices
    .map((choice) => ({ choice, distance: leven(given.toLowerCase(), choice.toLowerCase()) }))
    .filter(({ choice, distance }) => distance <= Math.max(1, Math.ceil(Math.min(choice.length, given.length) * 0.4)))
    .toSorted((a, b) => a.distance - b.distance);
  return best?.choice;
}
