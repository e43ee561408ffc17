/** A project's compose files, as far as a mirror beside its services has to know them. Pure. https://compose-spec.io */
import { parse } from "yaml";
import * as z from "zod";
import { MirrorError, describeError } from "../errors.ts";

const words = z.union([z.string(), z.array(z.coerce.string())]);
const named = z.union([z.array(z.string()), z.record(z.string(), z.unknown())]);
const mount = z.union([
  z.string().transform((text) => text.split(":", 1)[0] ?? ""),
  z.looseObject({ source: z.string().optional() }).transform(({ source }) => source ?? ""),
]);
const serviceSchema = z.looseObject({
  image: z.string().optional(),
  build: z
    .union([
      z.string().transform((context) => ({ context, dockerfile: undefined, target: undefined })),
      z.looseObject({
        context: z.string().default("."),
        dockerfile: z.string().optional(),
        target: z.string().optional(),
      }),
    ])
    .optional(),
  entrypoint: words.nullish(),
  command: words.nullish(),
  links: z.array(z.string()).default([]),
  depends_on: named.default([]),
  environment: named.nullish(),
  networks: named.nullish(),
  volumes: z.array(mount).default([]),
});
const schema = z.looseObject({
  services: z
    .record(
      z.string(),
      serviceSchema.nullable().transform((each) => each ?? serviceSchema.parse({})),
    )
    .default({}),
});

export type Service = z.infer<typeof serviceSchema>;

export interface ComposeFile {
  /** Without its folder. */
  readonly name: string;
  readonly text: string;
}

/** The names under which compose looks for a file by itself, and for one that is laid over it. */
export const composeNames = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

export function overrideNames(name: string): string[] {
  const stem = name.slice(0, name.lastIndexOf("."));
  return [`${stem}.override.yml`, `${stem}.override.yaml`];
}

/** @param files each laid over those before it @throws MirrorError `usage` for what compose would not read either */
export function readServices(files: readonly ComposeFile[]): ReadonlyMap<string, Service> {
  const services = new Map<string, Service>();
  for (const { name, text } of files) {
    for (const [service, found] of Object.entries(readOne(name, text))) {
      services.set(service, layOver(services.get(service), found));
    }
  }
  return services;
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
    build: found.build ?? before.build,
    networks: found.networks ?? before.networks,
    environment: [...variableNamesOf(before), ...variableNamesOf(found)],
    links: [...before.links, ...found.links],
    volumes: [...before.volumes, ...found.volumes],
    depends_on: { ...dependenciesOf(before), ...dependenciesOf(found) },
  };
}

function readOne(name: string, text: string): Record<string, Service> {
  let content: unknown;
  try {
    // Anchors and merged maps are everyday business in compose files; tags of compose's own say nothing here.
    content = parse(text, { merge: true, logLevel: "error" }) ?? {};
  } catch (error) {
    throw new MirrorError("usage", `${name} is not YAML: ${describeError(error).split("\n", 1)[0]}`);
  }
  const found = schema.safeParse(content);
  if (found.success) return found.data.services;
  const [issue] = found.error.issues;
  throw new MirrorError("usage", `${name}: ${issue?.path.join(".") ?? ""} is not as compose wants it`);
}

/** By name, as compose wants them written where a condition stands beside each. */
export function dependenciesOf(service: Service | undefined): Record<string, unknown> {
  const given = service?.depends_on ?? [];
  return Array.isArray(given)
    ? Object.fromEntries(given.map((name) => [name, { condition: "service_started" }]))
    : given;
}

export function variableNamesOf({ environment }: Service): string[] {
  if (Array.isArray(environment)) return environment.map((pair) => pair.split("=", 1)[0] ?? "");
  return Object.keys(environment ?? {});
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
