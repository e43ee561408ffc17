/** Where each thing is told of, on the server's own page: the path of a URL. */
import { servedName } from "../names/hex-repository.ts";
import type { Item } from "../names/item.ts";

export function packagePage(repository: string, name: string): string {
  return `/ui/packages/${encodeURIComponent(repository)}/${name}`;
}

export function gitPage(host: string, path: string): string {
  return `/ui/git/${host}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** Where documentation that is held is shown. */
export function docsPage(repository: string, name: string, version: string): string {
  const served = servedName(repository);
  return `${served === undefined ? "" : `/repos/${served}`}/docs/${name}/${encodeURIComponent(version)}/`;
}

/** null: it has none. */
export function pageOf(item: Item): string | null {
  switch (item.kind) {
    case "release":
    case "package":
    case "documentation":
    case "record":
      return packagePage(item.repository, item.name);
    case "git":
      return gitPage(item.host, item.path);
    default:
      return null;
  }
}
