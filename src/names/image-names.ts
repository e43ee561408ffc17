/** What images are called, as container engines take it: `mirror:latest`, `registry.corp.example:5000/team/mirror:2`. */

const part = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tag = /^[A-Za-z0-9_][\w.-]{0,127}$/;
// Else it is the first part of the name.
const registry = /^(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d{1,5})?$/;
const longest = 255;

/** Whether it is such a name, or its tag alone. */
export function isImageName(text: string): boolean {
  const { name, tag: given } = parse(text);
  if (!tag.test(given)) return false;
  if (name === undefined) return true;
  const [first = "", ...rest] = name.split("/");
  const parts = rest.length > 0 && registry.test(first) ? rest : [first, ...rest];
  return name.length <= longest && parts.every((each) => part.test(each));
}

/** `mirror:latest` → `latest` */
export function tagOf(image: string): string {
  return parse(image).tag;
}

/** As engines complete what has no registry. @param image with its tag: `mirror:latest` → `docker.io/library/mirror:latest` */
export function fullImageName(image: string): string {
  const [first = "", ...rest] = image.split("/");
  if (rest.length === 0) return `docker.io/library/${image}`;
  return registry.test(first) ? image : `docker.io/${image}`;
}

function parse(text: string): { readonly name: string | undefined; readonly tag: string } {
  const colon = text.lastIndexOf(":");
  return colon === -1 ? { name: undefined, tag: text } : { name: text.slice(0, colon), tag: text.slice(colon + 1) };
}
