/** What a mirror has become since an earlier image of it: one layer that goes over the others. */
import { createReadStream } from "node:fs";
import type { Contents, PackedFile, PackedLayer } from "./contents.ts";
import { extract } from "./extract.ts";
import { hashOf } from "./hash-of.ts";
import type { Image } from "./layout.ts";

/** By path below the mirror: SHA-256, hex digits. */
export type State = ReadonlyMap<string, string>;

/** @param from the first layer that is of the mirror @throws MirrorError */
export async function stateOf(
  image: Image,
  layers: { readonly from: number; readonly signal: AbortSignal },
): Promise<State> {
  const state = new Map<string, string>();
  await extract(image, layers, {
    file: async (path, bytes) => void state.set(path, await hashOf(bytes)),
    gone: async (path) => {
      state.delete(path);
      for (const each of state.keys()) if (each.startsWith(`${path}/`)) state.delete(each);
    },
  });
  return state;
}

/** @returns without files where nothing has changed */
export async function changesSince(before: State, { layers }: Contents): Promise<PackedLayer> {
  const now = layers.flatMap(({ files }) => files);
  const changed: PackedFile[] = [];
  for (const file of now) {
    const known = before.get(file.path);
    if (known === undefined || known !== (await hashOf(contentOf(file)))) changed.push(file);
  }
  const paths = new Set(now.map(({ path }) => path));
  const folders = new Set([...paths].flatMap(foldersOf));
  const gone = new Set([...before.keys()].filter((path) => !paths.has(path)).map((path) => highestGone(path, folders)));
  const marks = [...gone].map((path): PackedFile => ({ path: markOf(path), content: Buffer.alloc(0), size: 0 }));
  return { name: "changes", files: [...marks, ...changed].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

function contentOf({ content }: PackedFile): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return Buffer.isBuffer(content) ? [content] : (createReadStream(content.verifiedPath()) as AsyncIterable<Buffer>);
}

function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** The whole folder, where nothing is left of it: an empty one may mean something, as a repository does. */
function highestGone(path: string, folders: ReadonlySet<string>): string {
  return foldersOf(path).find((folder) => !folders.has(folder)) ?? path;
}

function markOf(path: string): string {
  const cut = path.lastIndexOf("/") + 1;
  return `${path.slice(0, cut)}.wh.${path.slice(cut)}`;
}
