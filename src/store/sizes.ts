/** How much room things take. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of a file, or of all files below a folder; 0 for what is not there. */
export async function sizeOf(path: string): Promise<number> {
  const entry = await stat(path).catch(() => undefined);
  if (entry === undefined) return 0;
  if (!entry.isDirectory()) return entry.size;
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((found) => found.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => {
      // Gone since it was listed, such as what git has packed meanwhile.
      const found = await stat(join(file.parentPath, file.name)).catch(() => undefined);
      return found?.size ?? 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Every file below a folder, by its path there with `/`, sorted; hidden ones are left out. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort();
}
