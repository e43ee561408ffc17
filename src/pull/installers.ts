/**
 * What `mix local.hex` and `mix local.rebar` ask for. Upstream's lists, as they are by now, lie in the cache folder. What a
 * client takes gets into the mirror, and the list by which it was chosen with it: so the same client chooses the same again
 * when upstream does not answer.
 */
import type { KeyObject } from "node:crypto";
import { landFile } from "../artifacts/land-file.ts";
import { writeTogether, type Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { installerLists, isInstallerPath, wantedInstallers, type InstallerList } from "../plan/installers.ts";
import { transferOf } from "../reporter.ts";
import { held, placeBelow, type Located } from "../serve/source.ts";
import { fetchInstaller, fetchInstallerList, isSignedList, type SignedList } from "../upstream/installers.ts";
import type { Bringer } from "./bringer.ts";
import { currentOf, lookAgainAfter, lookedUpBy, type Current, type CurrentTools } from "./current.ts";
import { brought, isNotFound } from "./releases.ts";

export interface InstallersPullTools extends CurrentTools {
  readonly bringer: Bringer;
  /** Seconds. */
  readonly maxAge: number;
  readonly buildsUrl: string;
  /** @throws MirrorError `config` */
  readonly readKey: () => Promise<KeyObject>;
  /** Where upstream's lists are kept, in the cache folder. */
  readonly kept: Place;
}

/** @returns what is asked for below `installs` @param path `1.17.0/hex-2.2.1.ez`, `hex.csv.signed` */
export function createInstallersPull(tools: InstallersPullTools): (path: string) => Promise<Located | undefined> {
  const { bringer, maxAge, buildsUrl, readKey, kept, asking } = tools;
  const { installsDir } = bringer.paths;
  const host = new URL(buildsUrl).host;
  const placesOf = (folder: Place, { name }: InstallerList) => ({
    csv: folder.at(name),
    signature: folder.at(`${name}.signed`),
  });

  const keptList = async (list: InstallerList): Promise<SignedList | undefined> => {
    const places = placesOf(kept, list);
    const csv = await places.csv.read();
    const signature = await places.signature.read();
    if (csv === undefined) return undefined;
    const pair = { csv, signature };
    const isFine = signature === undefined ? list.hasOtp : isSignedList(pair, await readKey());
    return isFine ? pair : undefined;
  };
  const refresh = async (list: InstallerList): Promise<SignedList> => {
    const url = `${buildsUrl}/installs/${list.name}`;
    const options = { mustBeSigned: !list.hasOtp };
    const fetched = await fetchInstallerList(bringer.http, url, await readKey(), options, transferOf(bringer));
    if (fetched === undefined) throw new MirrorError("not_found", `upstream has no ${url}`);
    const places = placesOf(kept, list);
    if (fetched.signature === undefined) await places.signature.remove();
    else await places.signature.write(fetched.signature);
    await places.csv.write(fetched.csv);
    return fetched;
  };
  const current = async (list: InstallerList): Promise<Current<SignedList>> =>
    currentOf(
      {
        key: `installers ${list.name}`,
        host,
        maxAge,
        held: async () => keptList(list),
        refresh: async () => refresh(list),
        onRefused: (why) => bringer.reporter.warn(`${list.name} is served as it is held: ${why}`),
      },
      tools,
    );
  const listAnswer = async (list: InstallerList, path: string): Promise<Located | undefined> => {
    const own = installsDir.at(path);
    try {
      const { mark, since, isFresh } = await current(list);
      if (!isFresh && !own.isFile())
        throw new MirrorError("away", `${path} is not held here, and ${host} cannot be asked`);
      const until = lookedUpBy({ since }, maxAge);
      return { mark, since, until, content: { place: isFresh ? kept.at(path) : own } };
    } catch (error) {
      // Who only looks for news of Hex goes on without.
      if (!own.isFile() && path !== "hex-1.x.csv") throw error;
      return { mark: "stale", content: { place: own }, until: Date.now() + lookAgainAfter };
    }
  };
  const find = async (path: string) => {
    const program = /\/(hex|rebar3?)-/.exec(path)?.[1];
    let failure: unknown;
    for (const list of installerLists.filter((each) => each.program === program)) {
      const pair = await current(list).catch((error: unknown) => {
        if (!isNotFound(error)) failure ??= error;
        return undefined;
      });
      const all = pair === undefined ? [] : wantedInstallers(pair.value.csv.toString("utf8"), list, "any");
      const installer = all.find((each) => each.path === path);
      if (pair !== undefined && installer !== undefined) return { list, pair: pair.value, installer };
    }
    // Another list might name it that could not be had.
    if (failure !== undefined) throw failure;
    return undefined;
  };
  const bring = async (place: Place, path: string): Promise<Buffer | undefined> => {
    const found = await find(path);
    if (found === undefined) throw new MirrorError("not_found", `no list of upstream's names the installer ${path}`);
    const bytes = await fetchInstaller(bringer.http, `${buildsUrl}/installs`, found.installer, transferOf(bringer));
    if (!bringer.keeps) return bytes;
    await landFile(bringer.land, place, bytes);
    const places = placesOf(installsDir, found.list);
    const { csv, signature } = found.pair;
    const pair = [
      { place: places.csv, content: csv },
      ...(signature === undefined ? [] : [{ place: places.signature, content: signature }]),
    ];
    await bringer.land(async () => writeTogether(pair));
    return undefined;
  };
  return async (path) => {
    const list = installerLists.find(({ name }) => path === name || path === `${name}.signed`);
    if (list !== undefined) return listAnswer(list, path);
    const place = placeBelow(installsDir, path);
    if (place === undefined || place.isFile() || !isInstallerPath(path)) return held(place);
    const bytes = await asking.bring({ key: `installer ${path}`, host, work: async () => bring(place, path) });
    return brought(bytes === undefined ? { place } : { bytes });
  };
}
