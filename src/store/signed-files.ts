/** Registry resources as they lie in the folder. */
import { unwrap, type SignedResource } from "../hex/signed.ts";
import { readIfPresent } from "./atomic.ts";

/** undefined where there is none, or one that is damaged: it is made anew. @throws MirrorError `storage` */
export async function readSigned(path: string): Promise<SignedResource | undefined> {
  const bytes = await readIfPresent(path);
  try {
    return bytes === undefined ? undefined : unwrap(bytes);
  } catch {
    return undefined;
  }
}
