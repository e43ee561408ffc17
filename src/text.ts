/** Small matters of text that patterns are too slow or too clever for. */

/** Without so many of `char` as stand at the end: `/\/+$/` would try again from each of them. */
export function trimEnd(text: string, char: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === char) end -= 1;
  return text.slice(0, end);
}
