/** A project's compose files, as far as a mirror beside its services has to know them. Pure. https://compose-spec.io */
import { parse } from "yaml";
import * as z from "zod";
import { MirrorError, describeError } from "../errors.ts";

const words = z.union([z.string(), z.array(z.coerce.string())]);
const named = z.union([z.array(z.string()), z.record(z.string(), z.unknown())]);
const filled = z.string().transform(fillIn);
const mount = z.union([
  filled.transform((text) => text.split(":", 1)[0] ?? ""),
  z.looseObject({ source: filled.optional() }).transform(({ source }) => source ?? ""),
]);
const build = z.union([
  filled.transform((context) => ({ context })),
  z.looseObject({
    context: filled.optional(),
    dockerfile: filled.optional(),
    dockerfile_inline: z.string().optional(),
    target: filled.optional(),
  }),
]);
const serviceSchema = z.looseObject({
  image: z.string().optional(),
  build: build.optional(),
  entrypoint: words.nullish(),
  command: words.nullish(),
  extends: z.unknown().optional(),
  links: z.array(z.string()).default([]),
  depends_on: named.default([]),
  environment: named.nullish(),
  network_mode: z.string().optional(),
  networks: named.nullish(),
  ports: z.array(z.unknown()).default([]),
  volumes: z.array(mount).default([]),
  volumes_from: z.array(z.string()).default([]),
});
const schema = z.looseObject({
  include: z.unknown().optional(),
  networks: z.record(z.string(), z.looseObject({ external: z.unknown().optional() }).nullable()).nullish(),
  services: z
    .record(
      z.string(),
      serviceSchema.nullable().transform((each) => each ?? serviceSchema.parse({})),
    )
    .nullish(),
});

export type Service = z.infer<typeof serviceSchema>;
type Build = Exclude<Service["build"], undefined> & {
  readonly dockerfile?: string | undefined;
  readonly dockerfile_inline?: string | undefined;
  readonly target?: string | undefined;
};

export interface ComposeFile {
  /** Without its folder. */
  readonly name: string;
  readonly text: string;
}

export interface ComposeContent {
  readonly services: ReadonlyMap<string, Service>;
  /** Whether the default network is one that somebody else made. */
  readonly isDefaultExternal: boolean;
  /** Whether there is more in files that are named there, which are not read. */
  readonly hasIncludes: boolean;
}

/** The names under which compose looks for a file by itself, and for one that is laid over it. */
export const composeNames = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
export const overrideNames = composeNames.map((name) => name.replace(/\.(\w+)$/, ".override.$1"));

/** @param files each laid over those before it @throws MirrorError `usage` for what compose would not read either */
export function readCompose(files: readonly ComposeFile[]): ComposeContent {
  const contents = files.map(readOne);
  const services = new Map<string, Service>();
  for (const [name, found] of contents.flatMap((content) => Object.entries(content.services ?? {}))) {
    services.set(name, layOver(services.get(name), found));
  }
  return {
    services,
    isDefaultExternal: contents.some(({ networks }) => Boolean(networks?.["default"]?.external)),
    hasIncludes: contents.some(({ include }) => include !== undefined),
  };
}

/** As compose does: single values are replaced, lists and maps grow. */
function layOver(before: Service | undefined, found: Service): Service {
  if (before === undefined) return found;
  return {
    ...before,
    ...found,
    entrypoint: found.entrypoint ?? before.entrypoint,
    command: found.command ?? before.command,
    image: found.image ?? before.image,
    build: found.build === undefined ? before.build : { ...before.build, ...found.build },
    networks: [...namesOf(before.networks), ...namesOf(found.networks)],
    environment: [...variableNamesOf(before), ...variableNamesOf(found)],
    links: [...before.links, ...found.links],
    ports: [...before.ports, ...found.ports],
    volumes: [...before.volumes, ...found.volumes],
    volumes_from: [...before.volumes_from, ...found.volumes_from],
    depends_on: { ...dependenciesOf(before), ...dependenciesOf(found) },
  };
}

function readOne({ name, text }: ComposeFile): z.infer<typeof schema> {
  let content: unknown;
  try {
    // Anchors and merged maps are everyday business in compose files; tags of compose's own say nothing here.
    content = parse(text, { merge: true, logLevel: "error" }) ?? {};
  } catch (error) {
    const [words = ""] = describeError(error).split("\n", 1);
    const why = words.includes("multiple documents") ? "it holds several documents" : words.replace(/:$/, "");
    throw new MirrorError("usage", `${name} is no YAML that compose reads: ${why}`);
  }
  const found = schema.safeParse(content);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "what stands there" : issue.path.join(".");
  throw new MirrorError("usage", `${name}: ${where} is not as compose wants it`);
}

/** A mount or a folder with variables of compose's, as far as it says itself what they are. */
function fillIn(text: string): string {
  return text.replace(/\$\{\w+:?-([^}]*)\}/g, "$1").replace(/\$(?:PWD|\{PWD\})(?=\/|$)/g, ".");
}

export function buildOf({ build: found }: Service): (Build & { readonly context: string }) | undefined {
  return found === undefined ? undefined : { ...found, context: found.context ?? "." };
}

/** By name, as compose wants them written where a condition stands beside each. */
export function dependenciesOf({ depends_on: given }: Service): Record<string, unknown> {
  if (!Array.isArray(given)) return given;
  return Object.fromEntries(given.map((name) => [name, { condition: "service_started" }]));
}

export function variableNamesOf({ environment }: Service): string[] {
  return namesOf(environment).map((pair) => pair.split("=", 1)[0] ?? "");
}

/** Of what may be written as a list or a map. */
export function namesOf(given: z.infer<typeof named> | null | undefined): string[] {
  return Array.isArray(given) ? given : Object.keys(given ?? {});
}

/** `db:database` → `db` */
export function linkedService(link: string): string {
  return link.split(":", 1)[0] ?? "";
}

/** A command as compose splits it where it is written as one text: by blanks, with quotes, and no shell. */
export function splitWords(given: string | readonly string[]): string[] {
  if (typeof given !== "string") return [...given];
  const found = given.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs) ?? [];
  return found.map((word) =>
    word.replace(
      /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
      (_, plain?: string, double?: string, single?: string) =>
        plain ?? double?.replace(/\\(["\\$`])/g, "$1") ?? single ?? "",
    ),
  );
}
