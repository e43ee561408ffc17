/** Reads a project's compose files, and what its app's image starts with, for the mirror that is to stand beside them. */
import { basename, join, resolve } from "node:path";
import {
  buildOf,
  composeNames,
  namesOf,
  overrideNames,
  readCompose,
  splitWords,
  variableNamesOf,
  type ComposeContent,
  type ComposeFile,
  type Service,
} from "../project/compose-file.ts";
import { overrideName, type ComposeProject } from "../project/compose-override.ts";
import { planServices, type ComposePlan } from "../project/compose-plan.ts";
import { startOf } from "../project/dockerfile.ts";
import { readIfPresent } from "../disk/files.ts";
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

/** @throws MirrorError `usage` for a file that cannot be read, and where the app cannot be told */
export async function readComposeProject(folder: string, { service: given, parts }: Wanted): Promise<ComposeFindings> {
  const files = [...(await firstOf(folder, composeNames)), ...(await firstOf(folder, overrideNames))];
  const content = readCompose(files);
  // Without a path it is a volume's name.
  const isAt = (source: string, paths: readonly string[]) =>
    /^[./~]/.test(source) && paths.includes(resolve(folder, source));
  const plan = planServices(content, {
    given,
    where: files.map(({ name }) => name).join(" and "),
    isPart: (source) => isAt(source, parts),
    isProject: (source) => isAt(source, [folder]),
  });
  const app = content.services.get(plan.service);
  const start = app === undefined ? noStart : await startOfService(folder, app);
  const project: ComposeProject = {
    ...plan,
    files: files.map(({ name }) => name),
    entrypoint: start.entrypoint,
    command: start.command,
    networks: [...new Set(namesOf(app?.networks))],
    isDefaultExternal: content.isDefaultExternal,
  };
  const switched = await switchesOf(folder, start.entrypoint ?? []);
  return { project, notes: [...start.notes, ...switched, ...notesOf(files, content, plan)] };
}

/** What an entrypoint of the older stack does, and is done before it now. */
async function switchesOf(folder: string, entrypoint: readonly string[]): Promise<string[]> {
  const notes = entrypoint.map(async (word) => {
    // By its name: in the container it lies where the project is mounted.
    const name = basename(word);
    const text = (await readIfPresent(join(folder, name)).catch(() => undefined))?.toString("utf8") ?? "";
    const found = verificationSwitches.filter((each) => text.includes(each));
    if (found.length > 0)
      return [`${name} switches verification off (${found.join(", ")}): take that out, it is not needed any more`];
    const isSetup = /mix hex\.repo (?:add|set)/.test(text);
    return isSetup ? [`${name} sets Hex up (mix hex.repo), which is done before it now: that can go`] : [];
  });
  return (await Promise.all(notes)).flat();
}

async function firstOf(folder: string, names: readonly string[]): Promise<ComposeFile[]> {
  for (const name of names) {
    const text = (await readIfPresent(join(folder, name)))?.toString("utf8");
    if (text !== undefined) return [{ name, text }];
  }
  return [];
}

interface Start {
  readonly entrypoint: readonly string[] | undefined;
  readonly command: readonly string[] | undefined;
  readonly notes: readonly string[];
}

const noStart: Start = { entrypoint: undefined, command: undefined, notes: [] };

/** Compose's own words win; else those of the Dockerfile, as far as it says them. */
async function startOfService(folder: string, service: Service): Promise<Start> {
  const { entrypoint, image } = service;
  const hasCommand = service.command !== undefined && service.command !== null;
  // Compose forgets the image's command as soon as it has an entrypoint, an empty one included.
  if (entrypoint !== undefined && entrypoint !== null) {
    return { entrypoint: splitWords(entrypoint), command: undefined, notes: [] };
  }
  const { file, text } = await readDockerfile(folder, service);
  const built = text === undefined ? undefined : startOf(text, buildOf(service)?.target);
  const base = built?.base ?? (file === undefined ? image : undefined);
  const own = hasCommand ? undefined : built?.command;
  const isKnown = built?.entrypoint !== undefined || isPlain(base);
  const what = [...(isKnown ? [] : ["an entrypoint"]), ...(hasCommand || own !== undefined ? [] : ["a command"])].join(
    " or ",
  );
  const whose = base ?? (file === undefined ? "the image" : `what ${file} builds`);
  const note = `${whose} may have ${what} of its own, which is not known here, and which Docker forgets: name it in your compose file, and run init again`;
  return {
    entrypoint: built?.entrypoint?.map(forCompose),
    command: own?.map(forCompose),
    notes: what === "" ? [] : [note],
  };
}

/** @returns no file where nothing is built here */
async function readDockerfile(folder: string, service: Service): Promise<{ file?: string; text?: string | undefined }> {
  const build = buildOf(service);
  if (build === undefined) return {};
  const file = join(build.context, build.dockerfile ?? "Dockerfile");
  const path = resolve(folder, build.context, build.dockerfile ?? "Dockerfile");
  const text = build.dockerfile_inline ?? (await readIfPresent(path).catch(() => undefined))?.toString("utf8");
  return { file, text };
}

/** Compose takes `$` for a variable of its own; a Dockerfile means what it says. */
function forCompose(word: string): string {
  return word.replaceAll("$", "$$$$");
}

/** Images that start nothing of their own before the command. */
function isPlain(image = ""): boolean {
  const name = image.replace(/^docker\.io\//, "").replace(/^library\//, "");
  return /^(?:(?:hexpm\/)?(?:elixir|erlang)|alpine|debian|ubuntu|bitwalker\/alpine-[\w-]+)(?:[:@].*)?$/.test(name);
}

function notesOf(files: readonly ComposeFile[], content: ComposeContent, plan: ComposePlan): string[] {
  const [first] = files;
  if (first === undefined) return [`there is no compose file here; ${overrideName} adds to one`];
  const { service, replaced, rests } = plan;
  const app = content.services.get(service);
  if (app === undefined) return [];
  const switches = variableNamesOf(app).filter((name) => verificationSwitches.includes(name));
  const links = rests[service]?.links ?? app.links;
  const taken = links.filter((link) => /:(?:github\.com|app_deps)$/.test(link));
  const networks = namesOf(app.networks);
  const isInternal = networks.length === 0 && !content.isDefaultExternal;
  const notes: readonly (readonly [boolean, string])[] = [
    [
      replaced.length > 0,
      `${replaced.join(" and ")} of ${first.name} did what the mirror does, and are not started any more`,
    ],
    [
      switches.length > 0,
      `${service} switches verification off (${switches.join(", ")}): take that out, it is not needed any more`,
    ],
    [
      taken.length > 0,
      `${first.name} links github.com or app_deps to something else (${taken.join(", ")}): take that out, or it wins over the mirror`,
    ],
    [
      networks.length > 0,
      `${service} is on networks of its own (${networks.join(", ")}), which may lead out: they stay as they are`,
    ],
    [
      content.isDefaultExternal,
      `the default network is one that was made elsewhere, and may lead out: it stays as it is`,
    ],
    [
      isInternal && app.ports.length > 0,
      `ports that ${service} publishes are not reached while its network is internal: take that out of ${overrideName} where you need them`,
    ],
    [
      app.extends !== undefined,
      `${service} extends another service, which is not read: an entrypoint or a command from there is to be named here`,
    ],
    [content.hasIncludes, `${first.name} includes other files, which are not read`],
  ];
  return notes.filter(([holds]) => holds).map(([, text]) => text);
}
