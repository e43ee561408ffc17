/**
 * The Hex repositories that are asked in one run: of each its upstream, its places, and what upstream said when it was
 * last asked. Packages and documentation come from the same ones.
 */
import type { HexUpstream } from "../upstream/hex.ts";
import { MirrorError } from "../errors.ts";
import { hexpm, organisationOf, servedName } from "../names/hex-repository.ts";
import { lazy, lazyBy } from "../lazy.ts";
import type { Context } from "../store/context.ts";
import { isLocal, listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { addValidators, readValidators, type Validator, type Validators } from "../store/validators.ts";
import { recordUpstream } from "../store/trust.ts";
import { hexUpstream, type UpstreamKey } from "../upstream/hex-repositories.ts";
import type { Land } from "./land-file.ts";
import type { Reporter, Failed } from "../reporter.ts";

export interface HexSource {
  readonly paths: RegistryPaths;
  readonly upstream: HexUpstream;
  /** What upstream said when it was last asked. */
  readonly validators: ReadonlyMap<string, Validator>;
  /** What it says now; written down at the end. */
  readonly learned: Validators;
  /** Called as the only writer, when a record proved to be signed by upstream's key: whose records these are is known. */
  readonly onVerified: () => Promise<void>;
  readonly isVerified: () => boolean;
}

export interface HexSources {
  /** @throws MirrorError `config`, `refused` */
  readonly open: (repository: string) => Promise<HexSource>;
  /** Writes down what upstream said of each, once all that it spoke of is signed. @returns where that failed */
  readonly close: (land: Land) => Promise<readonly Failed[]>;
}

interface HexSourceTools {
  readonly paths: StorePaths;
  readonly reporter: Reporter;
  readonly upstreamOf: (repository: string) => Promise<HexUpstream>;
  /** Writes down whose records these are. */
  readonly recordUpstream: (repository: string, upstream: HexUpstream) => Promise<void>;
}

/** As the settings have them. @param asAnybody without the user's logins */
export function openHexSources(
  context: Context<UpstreamKey | "registryName">,
  { asAnybody = false }: { readonly asAnybody?: boolean } = {},
): HexSources {
  const { paths, reporter } = context;
  return createHexSources({
    paths,
    reporter,
    upstreamOf: async (repository) => {
      const upstream = await hexUpstream(context, repository);
      return asAnybody ? { ...upstream, token: undefined } : upstream;
    },
    recordUpstream: async (repository, { url, publicKey: key }) => recordUpstream(context, repository, { url, key }),
  });
}

function createHexSources({ paths, reporter, upstreamOf, recordUpstream }: HexSourceTools): HexSources {
  const opened = new Map<string, HexSource>();
  const places = lazy(async () => {
    // What was made by hand, and is nobody's yet, is there to be adopted.
    const known = (await listRegistries(paths)).filter(
      ({ repository, upstreamDir }) => upstreamDir.isFolder() || isLocal(paths, repository),
    );
    return new Map(known.map(({ repository }) => [servedName(repository), repository]));
  });
  const open = async (repository: string): Promise<HexSource> => {
    const known = await places();
    // Both would be served at /repos/NAME, and one signed name would stand for two repositories.
    const other = known.get(servedName(repository)) ?? repository;
    if (other !== repository) {
      const place = `/repos/${servedName(repository) ?? ""}`;
      throw new MirrorError("refused", `${place} of this mirror is "${other}" and cannot be "${repository}" too`);
    }
    known.set(servedName(repository), repository);
    const upstream = await upstreamOf(repository);
    const registry = paths.registry(repository);
    const written = [registry.tarballsDir, registry.docsDir, registry.upstreamDir, registry.upstreamPackagesDir];
    for (const place of written) await place.removeLeftovers();
    // A key that fits nothing must not become the one that the records here are read with.
    const onVerified = lazy(async () => {
      await recordUpstream(repository, upstream);
      const guard = "guard /repos with serve --require-token";
      // What an organisation shows to anybody is no secret.
      const isShown =
        repository !== hexpm && (upstream.token !== undefined || organisationOf(repository) === undefined);
      if (isShown) reporter.warn(`what ${repository} keeps private, this mirror shows to whoever reaches it; ${guard}`);
    });
    let isVerified = false;
    const source = {
      paths: registry,
      upstream,
      validators: await readValidators(registry),
      learned: new Map(),
      onVerified: async () => {
        isVerified = true;
        await onVerified();
      },
      isVerified: () => isVerified,
    };
    opened.set(repository, source);
    return source;
  };
  return {
    open: lazyBy(open),
    close: async (land) => {
      const failed: Failed[] = [];
      for (const [repository, { paths: registry, learned }] of opened) {
        try {
          if (learned.size > 0) await land(async () => addValidators(registry, learned));
        } catch (error) {
          failed.push({ item: { kind: "registry", repository }, error });
        }
      }
      return failed;
    },
  };
}
