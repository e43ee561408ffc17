/** The machine that this runs on, as those name it who make files for machines. */
import { lazy } from "./lazy.ts";
import { parsePlatform, type Platform } from "./names/platforms.ts";

/** Of a kind that nobody has a name for: as Node names it. */
export const thisMachine = lazy((): Platform => {
  const { arch, platform } = process;
  const named = parsePlatform(`${arch}-${platform}`) ?? { arch, os: platform, abi: undefined };
  const abi = named.os === "linux" ? libc() : named.os === "windows" ? "msvc" : undefined;
  return { ...named, abi };
});

/** The one that Node was linked with. */
function libc(): "gnu" | "musl" {
  // Else it asks for the names of all that is connected.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: unknown } };
  return typeof header?.glibcVersionRuntime === "string" ? "gnu" : "musl";
}
