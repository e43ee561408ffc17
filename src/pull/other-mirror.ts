/**
 * Packages that another mirror-server has of its own, such as an office's: by that mirror's key, whose fingerprint the operator
 * gave, and only where hex.pm has no package of that name. What its key signed lies in `upstream/_mirror`, and by that such a
 * name is known from then on; its releases are adopted into our registry as they come.
 */
import { readHeld, type HeldRecord } from "../artifacts/refresh-record.ts";
import { MirrorError } from "../errors.ts";
import { fingerprint, publicKeyPem, readPublicKey } from "../hex/keys.ts";
import { landFile } from "../artifacts/land-file.ts";
import type { NamedRelease } from "../options.ts";
import { hexpm } from "../names/hex-repository.ts";
import { transferOf } from "../reporter.ts";
import type { Located } from "../serve/source.ts";
import { fetchRecord, fetchTarball, type HexUpstream } from "../upstream/hex.ts";
import type { Bringer } from "./bringer.ts";
import { currentOf, type Current, type CurrentTools } from "./current.ts";
import { brought, cannotBeHad, isNotFound } from "./releases.ts";

export interface OtherMirror {
  /** Whether the name was taken from there before. */
  readonly knows: (name: string) => boolean;
  /** @throws as `currentOf` */
  readonly record: (name: string) => Promise<Current<HeldRecord>>;
  /** @throws MirrorError */
  readonly tarball: (named: { readonly name: string; readonly version: string }) => Promise<Located>;
}

export interface OtherMirrorTools extends CurrentTools {
  readonly bringer: Bringer;
  /** Seconds. */
  readonly maxAge: number;
  readonly url: string;
  /** `SHA256:…` */
  readonly key: string;
  /** Signs a release that no record of hex.pm's covers. */
  readonly adopt: (release: NamedRelease) => Promise<void>;
}

const maxKeySize = 64 * 1024;

export function createOtherMirror({ bringer, maxAge, url, key, adopt, ...current }: OtherMirrorTools): OtherMirror {
  const { paths, http } = bringer;
  const folder = paths.upstreamDir.at("_mirror");
  const host = new URL(url).host;
  const registry = paths.registry(hexpm);
  const fileOf = (name: string) => folder.at(`packages/${name}`);
  const fetchKey = async (): Promise<HexUpstream> => {
    const pem = await http.get(
      `${url}/public_key`,
      { maxSize: maxKeySize, ...transferOf(bringer) },
      ({ status, body }) => {
        if (status !== 200) throw new MirrorError("upstream", `${url}/public_key was answered with status ${status}`);
        return body.toString("utf8");
      },
    );
    const publicKey = readPublicKey(pem, `${url}/public_key`);
    const theirs = fingerprint(publicKey);
    if (theirs === key) return { url, repository: hexpm, publicKey };
    throw new MirrorError("integrity", `${url} signs its registry with ${theirs}, and --upstream-key says ${key}`);
  };
  let known: HexUpstream | undefined;
  const upstream = async (): Promise<HexUpstream> => {
    const pem = known === undefined ? (await folder.at("public_key").read())?.toString("utf8") : undefined;
    const kept = pem === undefined ? undefined : readPublicKey(pem, "public_key");
    if (kept !== undefined && fingerprint(kept) === key) known = { url, repository: hexpm, publicKey: kept };
    return (known ??= await fetchKey());
  };
  const record: OtherMirror["record"] = async (name) =>
    currentOf(
      {
        key: `other ${url} ${name}`,
        host,
        maxAge,
        held: async () => (fileOf(name).isFile() ? readHeld(fileOf(name), name, await upstream()) : undefined),
        refresh: async () => {
          const { publicKey } = await upstream();
          const fetched = await fetchRecord(
            http,
            { url, repository: hexpm, publicKey },
            name,
            undefined,
            transferOf(bringer),
          );
          if (!fetched.changed) throw new MirrorError("upstream", `${url} answered for ${name} what it was not asked`);
          // A package that others only depend on optionally is nobody's own.
          if (fetched.record.releases.length === 0) throw new MirrorError("not_found", `${url} has no ${name}`);
          await bringer.land(async () => {
            await folder.at("public_key").writeIfChanged(publicKeyPem(publicKey));
            await fileOf(name).writeIfChanged(fetched.bytes);
          });
          return { bytes: fetched.bytes, record: fetched.record, stamp: undefined };
        },
        onRefused: (why) => bringer.reporter.warn(`${name} of ${url} is served as it is held: ${why}`),
      },
      current,
    );
  return {
    knows: (name) => fileOf(name).isFile(),
    record,
    tarball: async ({ name, version }) => {
      const { value } = await record(name);
      const release = value.record.releases.find((each) => each.version === version);
      if (release === undefined) throw new MirrorError("not_found", `${url} lists no ${name} ${version}`);
      const place = registry.tarball(name, version);
      const work = async () => {
        const wanted = { name, record: release, demands: [] };
        const bytes = await fetchTarball(http, await upstream(), wanted, transferOf(bringer));
        await landFile(bringer.land, place, bytes);
        await adopt({ repository: hexpm, name, version });
      };
      const file = `${name}-${version}.tar`;
      await current.asking.bring({ key: `other tarball ${file}`, host, work }).catch((error: unknown) => {
        throw isNotFound(error) ? cannotBeHad(file, host, error) : error;
      });
      return brought({ place });
    },
  };
}
