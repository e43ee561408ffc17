/** Registry resources as they lie in the folder. */
import type { Place } from "../disk/place.ts";
import { unwrap, type SignedResource } from "../hex/signed.ts";

/** undefined where there is none, or one that is damaged: it is made anew. @throws MirrorError `storage` */
export async function readSigned(file: Place): Promise<SignedResource | undefined> {
  const bytes = await file.read();
  try {
    return bytes === undefined ? undefined : unwrap(bytes);
  } catch {
    return undefined;
  }
}
