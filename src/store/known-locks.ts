/**
 * `locks/NAME.json`: what each lock that was synced names, so that later runs know what must stay (pins of commits,
 * `verify` without arguments) although the lock itself may be on another machine by then.
 */
import * as z from "zod";
import { compareNames, isPackageName, isRepositoryName } from "../names/hex-names.ts";
import { hexpm } from "../names/hex-repository.ts";
import { isPolicyName } from "../names/policy-names.ts";
import { describeError } from "../errors.ts";
import { isVersion } from "../names/versions.ts";
import { stampThrough } from "../disk/stamp.ts";
import type { Place } from "../disk/place.ts";
import { toolNames, type GitEntry, type HexEntry, type Lock, type SkippedEntry } from "../lock/entries.ts";
import { jsonText, readJson } from "./json-file.ts";
import type { StorePaths } from "./paths.ts";

const hexSchema = z.object({
  app: z.string(),
  // These become paths, and the file may have come with a repository that anybody may write to.
  name: z.string().refine(isPackageName),
  version: z.string().refine(isVersion),
  repository: z.string().refine(isRepositoryName),
  innerChecksum: z.string().optional(),
  outerChecksum: z.string().optional(),
});
const gitSchema = z.object({
  app: z.string(),
  url: z.string(),
  revision: z.string(),
  options: z.object({
    ref: z.string().optional(),
    tag: z.string().optional(),
    branch: z.string().optional(),
    sparse: z.string().optional(),
    subdir: z.string().optional(),
    depth: z.number().optional(),
    submodules: z.boolean().optional(),
  }),
});
const policySchema = z.object({
  repository: z.string().refine((name) => isRepositoryName(name) && name !== hexpm),
  name: z.string().refine(isPolicyName),
});
const schema = z.object({
  hex: z.array(hexSchema),
  git: z.array(gitSchema),
  /** What the git entries have as submodules, at the commits that they name. */
  submodules: z.array(gitSchema),
  /** That its project is held to. */
  policies: z.array(policySchema).optional(),
  /** Tools whose versions its project's configuration names. */
  tools: z.array(z.object({ name: z.enum(toolNames), versions: z.array(z.string().refine(isVersion)) })).optional(),
  /** Apps that nothing can be mirrored for, and why. */
  skipped: z.array(z.object({ app: z.string(), reason: z.string() })).optional(),
  /** Present when something of it failed to be synced. */
  incomplete: z.literal(true).optional(),
});

export interface WriteOptions {
  /** Takes credentials out of a URL: they must not be written into the mirror. */
  readonly redact: (url: string) => string;
  /** Whether all of it was synced; if not, submodules that are known from before stay known. */
  readonly isWhole: boolean;
  /** Entries that may not be mirrored: that they are there is written down, and not what they are. */
  readonly refused: readonly { readonly lock: string; readonly app: string; readonly reason: string }[];
}

/** @param submodules what the lock's git entries need besides, as this sync found them */
export async function writeKnownLock(
  paths: StorePaths,
  lock: Lock,
  submodules: readonly GitEntry[],
  { redact, isWhole, refused }: WriteOptions,
): Promise<void> {
  const file = paths.knownLock(lock.name);
  const written = (entry: GitEntry) => gitSchema.parse({ ...entry, url: redact(entry.url) });
  const earlier = isWhole ? undefined : await readContent(file);
  const kept = earlier?.submodules ?? [];
  const all = new Map([...kept, ...submodules.map(written)].map((entry) => [`${entry.url} ${entry.revision}`, entry]));
  const { hex, git, policies, tools } = contentOf(lock, { redact, refused });
  // What an earlier sync was allowed to take is still needed.
  const taken = (earlier?.git ?? []).filter(({ app }) => isRefused(refused, lock.name, app));
  const skipped = skippedIn(lock, refused);
  const content = {
    hex,
    git: [...git, ...taken],
    submodules: [...all.values()],
    ...(policies === undefined ? {} : { policies }),
    ...(tools === undefined ? {} : { tools }),
    ...(skipped.length === 0 ? {} : { skipped }),
    ...(isWhole ? {} : { incomplete: true }),
  };
  await file.writeIfChanged(jsonText(content));
}

/**
 * Whether the lock says what it said when all of it was synced.
 * @param submodules that have to be known, too
 */
export async function isKnownLock(
  paths: StorePaths,
  lock: Lock,
  options: Pick<WriteOptions, "redact" | "refused">,
  submodules: readonly GitEntry[] = [],
): Promise<boolean> {
  const known = await readContent(paths.knownLock(lock.name));
  if (known === undefined || known.incomplete === true) return false;
  const { hex, git, policies, tools } = known;
  if (JSON.stringify({ hex, git, policies, tools }) !== JSON.stringify(contentOf(lock, options))) return false;
  return submodules.every(({ url, revision }) =>
    known.submodules.some((each) => each.url === options.redact(url) && each.revision === revision),
  );
}

/** Whether what is known of the lock is what it names, whether or not all of it is here. */
export async function namesTheSame(
  paths: StorePaths,
  lock: Lock,
  options: Pick<WriteOptions, "redact" | "refused">,
): Promise<boolean> {
  const known = await readContent(paths.knownLock(lock.name));
  const { hex, git, policies, tools } = contentOf(lock, options);
  const texts = new Set(known?.git.map((entry) => JSON.stringify(entry)));
  const isSame = JSON.stringify([known?.hex, known?.policies, known?.tools]) === JSON.stringify([hex, policies, tools]);
  return isSame && git.every((entry) => texts.has(JSON.stringify(entry)));
}

function contentOf(lock: Lock, { redact, refused }: Pick<WriteOptions, "redact" | "refused">) {
  const git = lock.entries.filter((entry) => entry.kind === "git");
  return {
    hex: lock.entries.filter((entry) => entry.kind === "hex").map((entry) => hexSchema.parse(entry)),
    git: git
      .filter(({ app }) => !isRefused(refused, lock.name, app))
      .map((entry) => gitSchema.parse({ ...entry, url: redact(entry.url) })),
    policies: lock.policies?.map((policy) => policySchema.parse(policy)),
    tools: lock.tools?.map(({ name, versions }) => ({ name, versions: [...versions] })),
  };
}

/** Without paths, which are of the project itself. */
function skippedIn(lock: Lock, refused: WriteOptions["refused"]): { app: string; reason: string }[] {
  const unknown = lock.entries.flatMap((entry) => (entry.kind === "skipped" && !entry.isPath ? [entry] : []));
  const all = [...unknown, ...refused.filter((entry) => entry.lock === lock.name)];
  return all.map(({ app, reason }) => ({ app, reason })).sort((a, b) => compareNames(a.app, b.app));
}

function isRefused(refused: WriteOptions["refused"], lock: string, app: string): boolean {
  return refused.some((entry) => entry.lock === lock && entry.app === app);
}

/** undefined, too, for what is damaged: it is written anew. */
async function readContent(place: Place): Promise<z.infer<typeof schema> | undefined> {
  return readJson({ place, schema, whenDamaged: "counts as none" });
}

export async function readKnownLocks(paths: StorePaths): Promise<Lock[]> {
  // A link, too, which then says so: what a lock that is barred needs must not be taken for what nobody needs.
  const files = (await paths.knownLocksDir.entries()).filter(({ name }) => name.endsWith(".json"));
  const locks = await Promise.all(files.map(({ name }) => readKnownLock(paths.knownLocksDir.at(name))));
  // By names, which their files are not in the order of: `app-2.json` comes before `app.json`.
  return locks.sort((a, b) => compareNames(a.name, b.name));
}

/** The same, for who asks often while others sync: read anew when a file is another. */
export function watchKnownLocks(paths: StorePaths): () => Promise<readonly Lock[]> {
  let seen: { readonly stamp: string; readonly locks: Promise<readonly Lock[]> } | undefined;
  return async () => {
    const places = (await paths.knownLocksDir.entries()).map(({ name }) => paths.knownLocksDir.at(name));
    const stamp = places.map((place) => `${place.name} ${stampThrough(place.path)}`).join("\n");
    if (seen?.stamp !== stamp) seen = { stamp, locks: readKnownLocks(paths) };
    return seen.locks;
  };
}

/** Likewise; of what cannot be read an entry is left that says why, as of what nothing can be mirrored for. */
export function watchReadableLocks(paths: StorePaths): () => Promise<readonly Lock[]> {
  let seen: { readonly stamp: string; readonly locks: Promise<readonly Lock[]> } | undefined;
  return async () => {
    const entries = (await paths.knownLocksDir.entries().catch(() => [])).filter(({ name }) => name.endsWith(".json"));
    const places = entries.map(({ name }) => paths.knownLocksDir.at(name));
    const stamp = places.map((place) => `${place.name} ${stampThrough(place.path)}`).join("\n");
    if (seen?.stamp !== stamp) seen = { stamp, locks: readAllOrTell(places) };
    return seen.locks;
  };
}

async function readAllOrTell(places: readonly Place[]): Promise<readonly Lock[]> {
  const locks = await Promise.all(places.map(readOrTell));
  return locks.sort((a, b) => compareNames(a.name, b.name));
}

async function readOrTell(place: Place): Promise<Lock> {
  return readKnownLock(place).catch((error: unknown) => {
    const reason = describeError(error).replaceAll(place.path, `locks/${place.name}`);
    const name = nameOf(place);
    return { name, entries: [{ kind: "skipped", app: `the lock ${name}`, reason, isPath: false }] };
  });
}

function nameOf(place: Place): string {
  return place.name.slice(0, -".json".length);
}

async function readKnownLock(place: Place): Promise<Lock> {
  const name = nameOf(place);
  const known = await readJson({ place, schema, whenDamaged: { remedy: "delete it and sync that lock again" } });
  const { hex, git, submodules, skipped = [], policies, tools } = known ?? { hex: [], git: [], submodules: [] };
  const entries = [
    ...hex.map((entry): HexEntry => ({ ...entry, kind: "hex" })),
    ...[...git, ...submodules].map((entry): GitEntry => ({ ...entry, kind: "git" })),
    ...skipped.map((entry): SkippedEntry => ({ ...entry, kind: "skipped", isPath: false })),
  ];
  return {
    name,
    entries,
    ...(policies === undefined ? {} : { policies }),
    ...(tools === undefined ? {} : { tools }),
  };
}
