/** What images are called, as container engines take it: `mirror:latest`, `registry.corp.example:5000/team/mirror:2`. */

const part = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tag = /^[A-Za-z0-9_][\w.-]{0,127}$/;
// Else it is the first part of the name.
const registry = /^(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d{1,5})?$/;
const longest = 255;

/** Whether it is such a name, or its tag alone. */
export function isImageName(text: string): boolean {
  const colon = text.lastIndexOf(":");
  if (!tag.test(text.slice(colon + 1))) return false;
  if (colon === -1) return true;
  const name = text.slice(0, colon);
  const [first = "", ...rest] = name.split("/");
  const parts = rest.length > 0 && registry.test(first) ? rest : [first, ...rest];
  return name.length <= longest && parts.every((each) => part.test(each));
}
