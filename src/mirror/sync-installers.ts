/**
 * What `mix local.hex` and `mix local.rebar` download. Files arrive before the list that names them; a list and its
 * signature are replaced together, and only when all that it should name is here.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { KeyObject } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { fetchInstaller, fetchInstallerList, sha512Of, type SignedList } from "../fetch/installers.ts";
import type { HttpClient } from "../fetch/http.ts";
import { mixPublicKey, readPublicKey } from "../hex/keys.ts";
import { installerLists, wantedInstallers, type Installer, type InstallerList } from "../plan/installers.ts";
import { holds, readIfPresent, removeLeftovers, writeAtomic, writeTogether } from "../store/atomic.ts";
import { readKeyFile, type Context } from "./context.ts";

/** @param publicKey undefined: no installers are wanted */
export async function syncInstallers(
  context: Context,
  http: HttpClient,
  publicKey: KeyObject | undefined,
): Promise<void> {
  const { config, paths, reporter, signal } = context;
  if (publicKey === undefined) return;
  await removeLeftovers(paths.installsDir);
  let found = 0;
  for (const list of installerLists) {
    if (signal.aborted) return;
    const url = `${config.buildsUrl}/installs/${list.name}`;
    try {
      const mustBeSigned = !list.hasOtp;
      const fetched = await fetchInstallerList(http, url, publicKey, { mustBeSigned }, transfer(context));
      if (fetched === undefined) continue;
      found += 1;
      await syncList(context, list, fetched, http);
    } catch (error) {
      reporter.begin(1);
      reporter.failed(url, error);
    }
  }
  if (found === 0) {
    reporter.begin(1);
    const error = new MirrorError("not_found", "upstream has no list of installers");
    reporter.failed(`${config.buildsUrl}/installs`, error);
  }
}

async function syncList(
  context: Context,
  list: InstallerList,
  { csv, signature }: SignedList,
  http: HttpClient,
): Promise<void> {
  const { config, paths, reporter, signal } = context;
  const wanted = wantedInstallers(csv.toString("utf8"), list, config.installers ?? []);
  reporter.begin(wanted.length);
  let isWhole = true;
  for (const installer of wanted) {
    if (signal.aborted) return;
    try {
      const bytes = await syncInstaller(context, installer, http);
      reporter.done(`installs/${installer.path}`, bytes === 0 ? "unchanged" : "added", bytes);
    } catch (error) {
      isWhole = false;
      reporter.failed(`installs/${installer.path}`, error);
    }
  }
  if (!isWhole) return;
  const file = join(paths.installsDir, list.name);
  if (signature === undefined) await rm(`${file}.signed`, { force: true });
  const pair = [
    { path: file, content: csv },
    ...(signature === undefined ? [] : [{ path: `${file}.signed`, content: signature }]),
  ];
  const isSame = await Promise.all(pair.map(({ path, content }) => holds(path, content)));
  if (!isSame.every(Boolean)) await writeTogether(pair);
}

/** @returns how many bytes were fetched; 0 when it was here and right */
async function syncInstaller({ config, paths, ...context }: Context, installer: Installer, http: HttpClient) {
  const file = join(paths.installsDir, ...installer.path.split("/"));
  const held = await readIfPresent(file);
  if (held !== undefined && sha512Of(held) === installer.sha512) return 0;
  const base = `${config.buildsUrl}/installs`;
  const bytes = await fetchInstaller(http, base, installer, transfer(context));
  await writeAtomic(file, bytes);
  return bytes.length;
}

/** The key of the lists, where installers are wanted. @throws MirrorError `config` */
export async function readInstallersKey({ config }: Context): Promise<KeyObject | undefined> {
  if (config.installers === undefined) return undefined;
  const file = config.buildsPublicKeyFile;
  return file === undefined ? readPublicKey(mixPublicKey, "Mix's key") : readKeyFile(file, "--builds-public-key");
}

function transfer({ signal, reporter }: Pick<Context, "signal" | "reporter">) {
  return { signal, onBytes: reporter.received };
}
