/** What was read of a tarball that its package downloads, as the index in the cache folder keeps it. */
import * as z from "zod";

export const tarballDownloads = z.object({
  inner: z.string(),
  outer: z.string(),
  downloads: z.array(
    z.object({ url: z.string(), sha256: z.string(), cache: z.enum(["rustler_precompiled", "elixir_make", "xla"]) }),
  ),
  unread: z.array(
    z.object({ reason: z.string(), checksums: z.record(z.string(), z.string()), guess: z.string().optional() }),
  ),
  tool: z.object({ latest: z.string().optional(), keys: z.record(z.string(), z.string()) }).optional(),
});
export type TarballDownloads = z.infer<typeof tarballDownloads>;
