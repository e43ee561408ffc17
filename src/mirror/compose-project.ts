/** Reads a project's compose files, and what its app's image starts with, for the mirror that is to stand beside them. */
import { join, resolve } from "node:path";
import {
  composeNames,
  dependenciesOf,
  overrideNames,
  readServices,
  splitWords,
  variableNamesOf,
  type ComposeFile,
  type Service,
} from "../clients/compose-file.ts";
import type { ComposeProject } from "../clients/compose-override.ts";
import { startOf } from "../clients/dockerfile.ts";
import { readIfPresent } from "../disk/files.ts";
import { MirrorError } from "../errors.ts";
import { verificationSwitches } from "../verification.ts";

export interface ComposeFindings {
  readonly project: ComposeProject;
  /** What to look at before it is used. */
  readonly notes: readonly string[];
}

interface Wanted {
  /** As somebody gave it. */
  readonly service: string | undefined;
  /** Folders of the registry and of the repositories, absolute: who mounts these served them before. */
  readonly parts: readonly string[];
}

// The app's name where nobody says one and there are several services.
const usual = "app";

/** @throws MirrorError `usage` for a file that cannot be read, and where the app cannot be told */
export async function readComposeProject(folder: string, { service: given, parts }: Wanted): Promise<ComposeFindings> {
  const files = await readFiles(folder);
  const services = readServices(files);
  const replaced = [...services].filter(([, { volumes }]) =>
    volumes.some((each) => parts.includes(resolve(folder, each))),
  );
  const names = replaced.map(([name]) => name);
  const service = serviceOf(given, services, { files, replaced: names });
  const gone = new Set(names.filter((name) => name !== service));
  const app = services.get(service);
  const start = app === undefined ? noStart : await startOfService(folder, app);
  const links = app?.links.filter((link) => !gone.has(link.split(":", 1)[0] ?? ""));
  const project: ComposeProject = {
    files: files.map(({ name }) => name),
    service,
    entrypoint: start.entrypoint,
    command: start.command,
    networks: networksOf(app),
    replaced: [...gone],
    dependencies: withoutGone(services, gone),
    links: links !== undefined && links.length < (app?.links.length ?? 0) ? links : undefined,
  };
  return { project, notes: [...start.notes, ...notesOf(files, service, { app, gone: [...gone], links: links ?? [] })] };
}

async function readFiles(folder: string): Promise<ComposeFile[]> {
  const read = async (name: string): Promise<ComposeFile | undefined> => {
    const text = (await readIfPresent(join(folder, name)))?.toString("utf8");
    return text === undefined ? undefined : { name, text };
  };
  const first = async (names: readonly string[]) => {
    for (const name of names) {
      const found = await read(name);
      if (found !== undefined) return [found];
    }
    return [];
  };
  const [main] = await first(composeNames);
  return main === undefined ? [] : [main, ...(await first(overrideNames(main.name)))];
}

function serviceOf(
  given: string | undefined,
  services: ReadonlyMap<string, Service>,
  { files, replaced }: { readonly files: readonly ComposeFile[]; readonly replaced: readonly string[] },
): string {
  if (files.length === 0) return given ?? usual;
  const names = [...services.keys()].filter((name) => !replaced.includes(name));
  const where = files.map(({ name }) => name).join(" and ");
  const all = names.join(", ") || "none found";
  if (given !== undefined) {
    if (services.has(given)) return given;
    throw new MirrorError("usage", `${where} has no service "${given}"; give --service, one of: ${all}`);
  }
  const [only, ...more] = names;
  if (only !== undefined && more.length === 0) return only;
  if (names.includes(usual)) return usual;
  throw new MirrorError("usage", `which service of ${where} is the app? give --service, one of: ${all}`);
}

interface Found {
  readonly entrypoint: readonly string[] | undefined;
  readonly command: readonly string[] | undefined;
  readonly notes: readonly string[];
}

const noStart: Found = { entrypoint: undefined, command: undefined, notes: [] };

/** Compose's own words win; else those of the Dockerfile, as far as it says them. */
async function startOfService(folder: string, { entrypoint, command, build, image }: Service): Promise<Found> {
  const hasCommand = command !== undefined && command !== null && command.length > 0;
  // Compose forgets the image's command as soon as it has an entrypoint.
  if (entrypoint !== undefined && entrypoint !== null && entrypoint.length > 0) {
    return { entrypoint: splitWords(entrypoint), command: undefined, notes: [] };
  }
  const file = build === undefined ? undefined : join(folder, build.context, build.dockerfile ?? "Dockerfile");
  const text = file === undefined ? undefined : (await readIfPresent(file).catch(() => undefined))?.toString("utf8");
  const built = text === undefined ? undefined : startOf(text, build?.target);
  const base = built === undefined ? image : built.base;
  const own = hasCommand ? undefined : built?.command;
  const isKnown = built?.entrypoint !== undefined || isPlain(base);
  const what = [...(isKnown ? [] : ["an entrypoint"]), ...(hasCommand || own !== undefined ? [] : ["a command"])].join(
    " or ",
  );
  const note = `what ${base ?? "the image"} itself has for ${what} is not known here, and Docker forgets it: name it in your compose file, and run init again`;
  return { entrypoint: built?.entrypoint, command: own, notes: what === "" ? [] : [note] };
}

/** Images that start nothing of their own before the command. */
function isPlain(image: string | undefined): boolean {
  const name =
    (image ?? "")
      .replace(/^docker\.io\//, "")
      .replace(/^library\//, "")
      .split(/[:@]/, 1)[0] ?? "";
  return /^(?:(?:hexpm\/)?(?:elixir|erlang)|alpine|debian|ubuntu|bitwalker\/alpine-[\w-]+)$/.test(name);
}

function networksOf(app: Service | undefined): string[] {
  const networks = app?.networks ?? [];
  return Array.isArray(networks) ? networks : Object.keys(networks);
}

/** What those depend on besides that depend on something that is gone. */
function withoutGone(services: ReadonlyMap<string, Service>, gone: ReadonlySet<string>) {
  const changed = [...services].flatMap(([name, service]) => {
    const all = Object.entries(dependenciesOf(service));
    const kept = all.filter(([other]) => !gone.has(other));
    return kept.length < all.length ? [[name, Object.fromEntries(kept)] as const] : [];
  });
  return Object.fromEntries(changed);
}

function notesOf(
  files: readonly ComposeFile[],
  service: string,
  {
    app,
    gone,
    links,
  }: { readonly app: Service | undefined; readonly gone: readonly string[]; readonly links: readonly string[] },
): string[] {
  const [first] = files;
  if (first === undefined) return ["there is no compose file here; docker-compose.mirror.yml adds to one"];
  const switches = app === undefined ? [] : variableNamesOf(app).filter((name) => verificationSwitches.includes(name));
  const taken = links.filter((link) => /:(?:github\.com|app_deps)$/.test(link));
  const networks = networksOf(app);
  return [
    ...(gone.length === 0
      ? []
      : [`${gone.join(" and ")} of ${first.name} did what the mirror does, and are not started any more`]),
    ...(switches.length === 0
      ? []
      : [`${service} switches verification off (${switches.join(", ")}): take that out, it is not needed any more`]),
    ...(taken.length === 0
      ? []
      : [
          `${first.name} links github.com or app_deps to something else (${taken.join(", ")}): take that out, or it wins over the mirror`,
        ]),
    ...(networks.length === 0
      ? []
      : [`${service} is on networks of its own (${networks.join(", ")}), which may lead out: they stay as they are`]),
  ];
}
