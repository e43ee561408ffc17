/** Settings that git takes from its environment, by number (GIT_CONFIG_COUNT, git 2.31). Pure. */

/** @param environment what it gives already: its own settings stay, and those after them win */
export function gitConfigVariables(
  environment: Readonly<Record<string, string | undefined>>,
  entries: readonly (readonly [string, string])[],
): Record<string, string> {
  if (entries.length === 0) return {};
  const count = Number(environment["GIT_CONFIG_COUNT"] ?? 0);
  return Object.fromEntries([
    ["GIT_CONFIG_COUNT", String(count + entries.length)],
    ...entries.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${count + index}`, key],
      [`GIT_CONFIG_VALUE_${count + index}`, value],
    ]),
  ]) as Record<string, string>;
}
