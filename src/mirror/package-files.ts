/** Packages, and documentation, as people name them: files that may lie anywhere. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { MirrorError, describeError } from "../errors.ts";
import { unpackDocumentation } from "../hex/tar.ts";
import { maxTarballSize, readTarball, type Tarball } from "../hex/tarball.ts";

export interface NamedFile {
  /** As typed, for errors. */
  readonly file: string;
  readonly path: string;
}

export interface PackageFile extends NamedFile {
  readonly bytes: Buffer;
  readonly tarball: Tarball;
  readonly docs: Buffer | undefined;
}

const whichDocs = "give a .tar.gz of what is in the folder that ex_doc made: tar -C doc -czf docs.tar.gz .";
const whichFile = 'give the file that "mix hex.build" or "rebar3 hex build" made';

/** @param docs of the only one, a path @throws MirrorError `usage`, `malformed` */
export async function readPackageFiles(files: readonly NamedFile[], docs: string | undefined): Promise<PackageFile[]> {
  if (files.length === 0) throw new MirrorError("usage", `no package is named; ${whichFile}`);
  if (docs !== undefined && files.length > 1) {
    throw new MirrorError("usage", `--docs is of one package, and ${files.length} are given; add them one by one`);
  }
  const packages = new Map<string, PackageFile>();
  for (const named of files) {
    const bytes = await readFile(named);
    const tarball = parse(bytes, named);
    const { name, version } = tarball.metadata;
    const earlier = packages.get(`${name} ${version}`);
    if (earlier !== undefined) {
      throw new MirrorError("usage", `${earlier.file} and ${named.file} are both ${name} ${version}; give one of them`);
    }
    packages.set(`${name} ${version}`, { ...named, bytes, tarball, docs: await readDocs(docs) });
  }
  return [...packages.values()];
}

function parse(bytes: Buffer, { file }: NamedFile): Tarball {
  try {
    return readTarball(bytes);
  } catch (error) {
    throw new MirrorError("malformed", `${file}: ${describeError(error)}; ${whichFile}`);
  }
}

async function readDocs(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readFile({ file: path, path });
  try {
    if ((await unpackDocumentation(bytes)).file("index.html") !== undefined) return bytes;
  } catch (error) {
    throw new MirrorError("malformed", `${path}: ${describeError(error)}; ${whichDocs}`);
  }
  throw new MirrorError("malformed", `${path}: it has no index.html at its top; ${whichDocs}`);
}

/** No more of it than a package may have: somebody may have named a disk. @throws MirrorError `usage` */
async function readFile({ file, path }: NamedFile): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new MirrorError("usage", `${file} is no file; ${whichFile}`);
    if (found.size > maxTarballSize) throw new MirrorError("usage", `${file} is larger than ${maxTarballSize} bytes`);
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(path, { end: maxTarballSize })) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (cause) {
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError("usage", `${file} cannot be read`, { cause });
  }
}
