/**
 * `mirror.json`: the folder's format, the registry's name, whose records it trusts, and whether it pulls; and the `.gitignore` that keeps
 * the key out of git. Written by the only writer, and what a newer version added to it stays.
 */
import pLimit from "p-limit";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { readJson } from "./json-file.ts";
import type { StorePaths } from "./paths.ts";

const currentFormat = 1;
const schema = z.looseObject({
  format: z.number().int().min(1),
  registryName: z.string(),
  upstreams: z.record(z.string(), z.object({ url: z.string(), key: z.string() })).optional(),
  pull: z.boolean().optional(),
});

/** The upstream of a Hex repository, as it was when it was first asked. */
export interface RecordedUpstream {
  readonly url: string;
  /** Fingerprint, `SHA256:…` */
  readonly key: string;
}

export interface MirrorFile {
  readonly registryName: string;
  /** By the source's name in locks: `hexpm`, with all its organisations, or another. */
  readonly upstreams: Readonly<Record<string, RecordedUpstream>>;
  /** Whether a server fetches what is asked of it and not held; undefined in a mirror that was made before there was a choice. */
  readonly pull: boolean | undefined;
}

/** For a mirror that is committed, or not looked at by git at all. */
export const mirrorGitignore = `# Written by mirror-server. The key signs this mirror's registry: whoever has it can sign anything.
/private_key.pem
/.lock/
/quarantine/
.*.tmp-*
`;

/** What we wrote when the quarantine had another name. */
export const gitignoreBefore = mirrorGitignore.replace("/quarantine/", "/corrupt/");

/** undefined for a folder that is new or made by hand. @throws MirrorError `config` for one that cannot be read */
export async function readMirrorFile(paths: StorePaths): Promise<MirrorFile | undefined> {
  const content = await readContent(paths);
  if (content === undefined) return undefined;
  return { registryName: content.registryName, upstreams: content.upstreams ?? {}, pull: content.pull };
}

// The only writer may be at several things at once.
const one = pLimit(1);

/** Only what is given changes. For the only writer. */
export async function writeMirrorFile(paths: StorePaths, changes: Changes): Promise<void> {
  await one(async () => writeContent(paths, changes));
}

interface Changes {
  readonly registryName: string;
  readonly upstreams?: MirrorFile["upstreams"];
  readonly pull?: boolean;
}

async function writeContent(paths: StorePaths, { registryName, upstreams, pull }: Changes): Promise<void> {
  const before = await readContent(paths);
  const all = { ...before?.upstreams, ...upstreams };
  const content = {
    ...before,
    format: currentFormat,
    registryName,
    ...(Object.keys(all).length === 0 ? {} : { upstreams: all }),
    ...(pull === undefined ? {} : { pull }),
  };
  await paths.mirrorFile.writeIfChanged(mirrorFileText(content));
  // What stands there may have been made by `init`, or by hand.
  if (paths.gitignore.look() === undefined || (await paths.gitignore.contains(gitignoreBefore))) {
    await paths.gitignore.write(mirrorGitignore);
  }
}

export function mirrorFileText(content: z.infer<typeof schema>): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

async function readContent(paths: StorePaths): Promise<z.infer<typeof schema> | undefined> {
  const whenDamaged = { remedy: "delete it, the next sync writes it anew" };
  const content = await readJson({ place: paths.mirrorFile, schema, whenDamaged });
  if (content !== undefined && content.format > currentFormat) {
    throw new MirrorError(
      "config",
      `${paths.mirror.path} was made by a newer mirror-server (format ${content.format}, this one knows ` +
        `${currentFormat}); update mirror-server, or give another folder with --mirror`,
    );
  }
  return content;
}
