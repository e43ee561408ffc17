/**
 * Where another mirror-server has what other hosts have: below its URL by their names, as clients without an alias ask it. Pure.
 *
 *   https://github.com/o/r/releases/download/v1/tool   http://office:8000/github.com/o/r/releases/download/v1/tool
 *   git@github.com:o/r.git                             http://office:8000/github.com/o/r.git
 */

/** @param upstream undefined: the host itself is asked */
export function fileUrlThrough(upstream: string | undefined, url: string): string {
  if (upstream === undefined) return url;
  const { hostname, pathname } = new URL(url);
  return `${upstream}/${hostname}${pathname}`;
}

/** @returns undefined where the host itself is asked */
export function gitUrlThrough(
  upstream: string | undefined,
  { host, path }: { readonly host: string; readonly path: string },
): string | undefined {
  return upstream === undefined ? undefined : `${upstream}/${host}/${path}.git`;
}
