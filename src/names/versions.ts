/**
 * Versions as Hex takes them: strict SemVer 2.0, without a leading `v` or `=`, and with numbers of any length, as Elixir's
 * `Version` has them (a calendar to the millisecond passes 2^53, where libraries for JavaScript end). Pure.
 * https://semver.org/spec/v2.0.0.html
 */

const number = "(?:0|[1-9]\\d*)";
const prerelease = `(?:${number}|\\d*[a-zA-Z-][0-9a-zA-Z-]*)`;
const pattern = new RegExp(
  `^(${number})\\.(${number})\\.(${number})(?:-(${prerelease}(?:\\.${prerelease})*))?(?:\\+([0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*))?$`,
);
const maxLength = 256;

export function isVersion(version: string): boolean {
  return version.length <= maxLength && pattern.test(version);
}

const exact = pattern.source.slice(1, -1);
const clause = `(?:~>\\s*(?:${number}\\.${number}(?:-${prerelease}(?:\\.${prerelease})*)?|${exact})|(?:(?:==|!=|>=|<=|>|<)\\s*)?${exact})`;
const requirement = new RegExp(`^\\s*${clause}(?:\\s+(?:and|or)\\s+${clause})*\\s*$`);

/** What Elixir takes for a requirement: `~> 1.2`, `>= 1.0.0 and < 2.0.0`. It passes over what it does not take. */
export function isRequirement(text: string): boolean {
  return text.length <= maxLength && requirement.test(text);
}

/** Ascending SemVer order; build metadata, which SemVer leaves out of the order, breaks ties. For versions only. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [partsOf(a), partsOf(b)];
  return (
    compareLists(one.numbers, other.numbers) ||
    // A release comes after its previews.
    Number(one.previews.length === 0) - Number(other.previews.length === 0) ||
    compareLists(one.previews, other.previews) ||
    compareLists(one.build, other.build)
  );
}

function partsOf(version: string) {
  const [, major = "", minor = "", patch = "", previews, build] = pattern.exec(version) ?? [];
  return { numbers: [major, minor, patch], previews: previews?.split(".") ?? [], build: build?.split(".") ?? [] };
}

function compareLists(one: readonly string[], other: readonly string[]): number {
  for (const [index, part] of one.entries()) {
    const against = other[index];
    if (against === undefined) return 1;
    const order = comparePart(part, against);
    if (order !== 0) return order;
  }
  return one.length - other.length;
}

/** Numbers by their size, before all others; those by their bytes. */
function comparePart(one: string, other: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(one), /^\d+$/.test(other)];
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  if (isNumber) {
    const [digits, others] = [one.replace(/^0+(?=\d)/, ""), other.replace(/^0+(?=\d)/, "")];
    if (digits.length !== others.length) return digits.length - others.length;
  }
  return one < other ? -1 : one > other ? 1 : 0;
}
