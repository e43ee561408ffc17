/** How people are told of the things of a mirror. */
import { shownPackage, hexpm } from "./hex-repository.ts";
import type { Item } from "./item.ts";

export function showItem(item: Item): string {
  switch (item.kind) {
    case "release":
      return `${shownPackage(item.repository, item.name)} ${item.version}`;
    case "package":
      return shownPackage(item.repository, item.name);
    case "policy":
      return `the policy ${shownPackage(item.repository, item.name)}`;
    case "documentation":
      return `the documentation of ${shownPackage(item.repository, item.name)} ${item.version}`;
    case "record":
      return `upstream's record of ${shownPackage(item.repository, item.name)}`;
    case "upstream-lists":
      return "upstream's lists of all packages";
    case "registry":
      return item.repository === hexpm ? "the registry" : `the registry of ${item.repository}`;
    case "git":
      return `https://${item.host}/${item.path}${item.revision === undefined ? "" : ` ${item.revision}`}`;
    case "lfs":
      return `https://${item.host}/${item.path} ${item.oid.slice(0, 12)}… of Git LFS`;
    case "installer-list":
      return `installs/${item.list}`;
    case "installer":
      return `installs/${item.path}`;
    case "file":
      return item.url;
    case "lock":
      return `the lock ${item.name}`;
    case "entry":
      return item.app;
    case "all":
      return `the ${item.of === "repositories" ? "git repositories" : item.of}`;
    case "place":
      return item.path;
  }
}
