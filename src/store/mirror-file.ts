/** `mirror.json`: the folder's format and the registry's name; and the `.gitignore` that keeps the key out of git. */
import { z } from "zod";
import { MirrorError } from "../errors.ts";
import type { StorePaths } from "./paths.ts";

const currentFormat = 1;
const schema = z.object({ format: z.number().int().min(1), registryName: z.string() });

/** For a mirror that is committed, or not looked at by git at all. */
export const mirrorGitignore = `# Written by mirror-server. The key signs this mirror's registry: whoever has it can sign anything.
/private_key.pem
/.lock/
/corrupt/
.*.tmp-*
`;

/** The name that the registry was made with; undefined for a folder that is new or made by hand. */
export async function readRegistryName(paths: StorePaths): Promise<string | undefined> {
  const bytes = await paths.mirrorFile.read();
  if (bytes === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(bytes.toString("utf8")));
  if (!parsed.success) {
    throw new MirrorError("config", `${paths.mirrorFile.path} is damaged; delete it, the next sync writes it anew`);
  }
  if (parsed.data.format > currentFormat) {
    throw new MirrorError(
      "config",
      `${paths.mirror.path} was made by a newer mirror-server (format ${parsed.data.format}, this one knows ` +
        `${currentFormat}); update mirror-server, or give another folder with --mirror`,
    );
  }
  return parsed.data.registryName;
}

export async function writeMirrorFile(paths: StorePaths, registryName: string): Promise<void> {
  await paths.mirrorFile.writeIfChanged(`${JSON.stringify({ format: currentFormat, registryName }, null, 2)}\n`);
  // What stands there may have been made by `init`, or by hand.
  if (paths.gitignore.look() === undefined) await paths.gitignore.write(mirrorGitignore);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
