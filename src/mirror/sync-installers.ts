/**
 * What `mix local.hex` and `mix local.rebar` download. Files arrive before the list that names them; a list and its
 * signature are replaced together, and only when all that it should name is here.
 */
import type { KeyObject } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { fetchInstaller, fetchInstallerList, sha512Of, type SignedList } from "../fetch/installers.ts";
import type { HttpClient } from "../fetch/http.ts";
import { mixPublicKey, readPublicKey } from "../hex/keys.ts";
import {
  installerLists,
  replacedInstallers,
  wantedInstallers,
  type Installer,
  type InstallerList,
} from "../plan/installers.ts";
import { writeTogether } from "../disk/place.ts";
import { readKeyFile, transferOf, type Context } from "./context.ts";

/** @param publicKey undefined: no installers are wanted */
export async function syncInstallers(
  context: Context,
  http: HttpClient,
  publicKey: KeyObject | undefined,
): Promise<void> {
  const { config, paths, reporter, signal } = context;
  if (publicKey === undefined) return;
  await paths.installsDir.removeLeftovers();
  let found = 0;
  let wanted = 0;
  let hasFailed = false;
  for (const list of installerLists) {
    if (signal.aborted) return;
    const url = `${config.buildsUrl}/installs/${list.name}`;
    try {
      // What was signed once does not become unsigned because somebody keeps the signature back.
      const wasSigned = paths.installsDir.at(`${list.name}.signed`).isFile();
      const mustBeSigned = !list.hasOtp || wasSigned;
      const fetched = await fetchInstallerList(http, url, publicKey, { mustBeSigned }, transferOf(context));
      if (fetched === undefined) continue;
      if (fetched.signature === undefined && url.startsWith("http:")) throw unsignedOverHttp(url);
      await refuseReplaced(context, list, fetched.csv);
      found += 1;
      wanted += await syncList(context, list, fetched, http);
    } catch (error) {
      hasFailed = true;
      reporter.begin(1);
      reporter.failed(url, error);
    }
  }
  // What failed has been told by its own name.
  if (hasFailed || signal.aborted || wanted > 0) return;
  reporter.begin(1);
  const why = found === 0 ? "upstream has no list of installers" : "no list has an installer for that Elixir and OTP";
  reporter.failed(`${config.buildsUrl}/installs`, new MirrorError("not_found", why));
}

function unsignedOverHttp(url: string): MirrorError {
  const why = "is not signed, and came over http, where anybody on the way can change it";
  return new MirrorError("integrity", `${url} ${why}; give an https URL with --builds-url`);
}

/** @throws MirrorError `integrity` when a version that was listed before has other bytes now */
async function refuseReplaced({ config, paths }: Context, list: InstallerList, csv: Buffer): Promise<void> {
  const before = (await paths.installsDir.at(list.name).read())?.toString("utf8") ?? "";
  const isAccepted = (version: string) =>
    config.acceptChanged.some((each) => each.name === list.program && each.version === version);
  const replaced = replacedInstallers(before, csv.toString("utf8"), list).find(({ version }) => !isAccepted(version));
  if (replaced === undefined) return;
  throw new MirrorError(
    "integrity",
    `${list.name} gives ${replaced.path} other bytes than before, under the same version; to take them, ` +
      `--accept-changed ${list.program}@${replaced.version}`,
  );
}

/** @returns how many installers the list has for those who are wanted */
async function syncList(
  context: Context,
  list: InstallerList,
  { csv, signature }: SignedList,
  http: HttpClient,
): Promise<number> {
  const { config, paths, reporter, signal } = context;
  const wanted = wantedInstallers(csv.toString("utf8"), list, config.installers ?? []);
  reporter.begin(wanted.length);
  let isWhole = true;
  for (const installer of wanted) {
    if (signal.aborted) return wanted.length;
    try {
      const bytes = await syncInstaller(context, installer, http);
      reporter.done(`installs/${installer.path}`, bytes === 0 ? "unchanged" : "added", bytes);
    } catch (error) {
      isWhole = false;
      reporter.failed(`installs/${installer.path}`, error);
    }
  }
  if (!isWhole) return wanted.length;
  const pair = [
    { place: paths.installsDir.at(list.name), content: csv },
    ...(signature === undefined ? [] : [{ place: paths.installsDir.at(`${list.name}.signed`), content: signature }]),
  ];
  const isSame = await Promise.all(pair.map(({ place, content }) => place.contains(content)));
  if (!isSame.every(Boolean)) await writeTogether(pair);
  return wanted.length;
}

/** @returns how many bytes were fetched; 0 when it was here and right */
async function syncInstaller({ config, paths, ...context }: Context, installer: Installer, http: HttpClient) {
  const file = paths.installsDir.at(installer.path);
  await file.parent?.removeLeftovers();
  const held = await file.read();
  if (held !== undefined && sha512Of(held) === installer.sha512) return 0;
  const base = `${config.buildsUrl}/installs`;
  const bytes = await fetchInstaller(http, base, installer, transferOf(context));
  await file.write(bytes);
  return bytes.length;
}

/** The key of the lists, where installers are wanted. @throws MirrorError `config` */
export async function readInstallersKey({ config }: Context): Promise<KeyObject | undefined> {
  if (config.installers === undefined) return undefined;
  const file = config.buildsPublicKey;
  return file === undefined ? readPublicKey(mixPublicKey, "Mix's key") : readKeyFile(file, "--builds-public-key");
}
