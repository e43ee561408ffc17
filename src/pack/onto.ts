/**
 * What a mirror has become since an earlier image of it: one layer that goes over the others. These travel along with all that ever
 * stood in them, so that they are looked through first: what would stay here by now must not go along in one of them.
 */
import { accessFile, accessIn, type Access } from "../git/access.ts";
import type { Contents, PackedFile, PackedLayer } from "./contents.ts";
import { extract } from "./extract.ts";
import { hashOf } from "./hash-of.ts";
import type { Image } from "./layout.ts";
import { inRepository, isOfOtherRepository } from "./parts.ts";
import { contentOf } from "./tar.ts";

/** The mirror's layers of an earlier image. */
export interface Earlier {
  /** What they come to, by path below the mirror: SHA-256, hex digits. */
  readonly state: ReadonlyMap<string, string>;
  /** Git repositories that any of them has files of, `github.com/owner/repo.git`, and what they say of who may read each. */
  readonly repositories: ReadonlyMap<string, readonly (Access | undefined)[]>;
  /** A path of another Hex repository than hexpm in any of them. */
  readonly ofOthers: string | undefined;
  /** A path outside of the mirror in any of them. */
  readonly elsewhere: string | undefined;
}

/** @param from the first layer that is of the mirror @throws MirrorError */
export async function readEarlier(
  image: Image,
  layers: { readonly from: number; readonly signal: AbortSignal },
): Promise<Earlier> {
  const state = new Map<string, string>();
  const repositories = new Map<string, (Access | undefined)[]>();
  let ofOthers: string | undefined;
  let elsewhere: string | undefined;
  await extract(image, layers, {
    file: async (path, bytes) => {
      if (isOfOtherRepository(path)) ofOthers ??= path;
      const beginning: Uint8Array[] = [];
      state.set(path, await hashOf(keeping(beginning, bytes)));
      const { repository, file } = inRepository(path) ?? {};
      if (repository === undefined) return;
      const noted = repositories.get(repository) ?? [];
      repositories.set(repository, noted);
      if (file === accessFile) noted.push(accessIn(Buffer.concat(beginning).toString("utf8")));
    },
    gone: async (path) => {
      state.delete(path);
      for (const each of state.keys()) if (each.startsWith(`${path}/`)) state.delete(each);
    },
    elsewhere: (path) => (elsewhere ??= path),
  });
  return { state, repositories, ofOthers, elsewhere };
}

// Bytes of a file that are kept: who may read a repository is said in a line or two.
const most = 1024;

async function* keeping(kept: Uint8Array[], bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    if (size < most) kept.push(chunk.slice(0, most - size));
    size += chunk.length;
    yield chunk;
  }
}

/** @returns what of the earlier layers must not go along, for people; undefined: all of them may */
export function unfitIn(earlier: Earlier, contents: Contents, withPrivate: boolean): string | undefined {
  const { elsewhere, ofOthers, repositories } = earlier;
  if (elsewhere !== undefined) return `${elsewhere}, which is no part of a mirror`;
  if (withPrivate) return undefined;
  if (ofOthers !== undefined) return `${ofOthers}, which may be private`;
  const packed = new Set(
    contents.layers.flatMap(({ files }) => files.map(({ path }) => inRepository(path)?.repository)),
  );
  // One that is gone by now was what it said of itself.
  const wasOpen = (noted: readonly (Access | undefined)[]) =>
    noted.length > 0 && noted.every((access) => access === "anyone");
  const unfit = [...repositories].find(
    ([repository, noted]) => !packed.has(repository) && (contents.stay.has(repository) || !wasOpen(noted)),
  );
  return unfit === undefined ? undefined : `${unfit[0]}, which may be private`;
}

/** @returns without files where nothing has changed */
export async function changesSince({ state }: Earlier, { layers }: Contents): Promise<PackedLayer> {
  const now = layers.flatMap(({ files }) => files);
  const changed: PackedFile[] = [];
  for (const file of now) {
    const known = state.get(file.path);
    if (known === undefined || known !== (await hashOf(contentOf(file)))) changed.push(file);
  }
  const paths = new Set(now.map(({ path }) => path));
  const folders = new Set([...paths].flatMap(foldersOf));
  const gone = new Set([...state.keys()].filter((path) => !paths.has(path)).map((path) => highestGone(path, folders)));
  const marks = [...gone].map((path): PackedFile => ({ path: markOf(path), content: Buffer.alloc(0), size: 0 }));
  return { name: "changes", files: [...marks, ...changed].sort((a, b) => (a.path < b.path ? -1 : 1)) };
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
