/**
 * Which service of a project is its app, which are not needed beside a mirror, and what the others keep of what they said
 * of such. Pure.
 */
import { MirrorError } from "../errors.ts";
import { dependenciesOf, linkedService, type ComposeContent, type Service } from "./compose-file.ts";

/** What a service keeps; absent: all of it. */
export interface Rest {
  readonly dependencies?: Readonly<Record<string, unknown>>;
  readonly links?: readonly string[];
}

export interface ComposePlan {
  readonly service: string;
  /** Services of the stack before, which are not started any more. */
  readonly replaced: readonly string[];
  /** Of services that depended on such, or were linked to them. */
  readonly rests: Readonly<Record<string, Rest>>;
}

export interface PlanInput {
  /** The service that somebody named. */
  readonly given: string | undefined;
  /** The files, in words. */
  readonly where: string;
  /** Whether a mount is of the registry, or of the repositories. */
  readonly isPart: (source: string) => boolean;
  /** Whether it is of the whole project: whoever mounts that works in it. */
  readonly isProject: (source: string) => boolean;
}

// The app's name where nobody says one and there are several services.
const usual = "app";
/** The mirror's own. */
const reserved = "mirror";

/** @throws MirrorError `usage` where the app cannot be told, or no mirror can stand beside it */
export function planServices(content: ComposeContent, { given, where, isPart, isProject }: PlanInput): ComposePlan {
  const { services, hasIncludes } = content;
  if (services.has(reserved) || given === reserved) {
    throw new MirrorError("usage", `a service is called "${reserved}" already, as the one of init's is; rename it`);
  }
  if (where === "") return { service: given ?? usual, replaced: [], rests: {} };
  const all = [...services];
  const leaned = new Set(
    all.flatMap(([, { volumes_from, network_mode = "" }]) => [
      ...volumes_from.map(linkedService),
      network_mode.replace(/^service:/, ""),
    ]),
  );
  const served = all
    .filter(([name, { volumes }]) => volumes.some(isPart) && !volumes.some(isProject) && !leaned.has(name))
    .map(([name]) => name);
  const names = all.map(([name]) => name).filter((name) => !served.includes(name));
  const more = hasIncludes ? " (what it includes is not read)" : "";
  const choices = `give --service, one of: ${names.join(", ") || "none found"}${more}`;
  const service = given ?? (services.has(usual) ? usual : names.length === 1 ? names[0] : undefined);
  if (service === undefined) throw new MirrorError("usage", `which service of ${where} is the app? ${choices}`);
  const app = services.get(service);
  if (app === undefined) throw new MirrorError("usage", `${where} has no service "${service}"; ${choices}`);
  if (app.network_mode !== undefined) {
    throw new MirrorError(
      "usage",
      `${service} has network_mode: ${app.network_mode}, in which the mirror cannot be given names; take that out, or point ` +
        'it at a mirror by "mirror-server env --format container"',
    );
  }
  const replaced = served.filter((name) => name !== service);
  return { service, replaced, rests: restsOf(all, new Set(replaced)) };
}

function restsOf(all: readonly (readonly [string, Service])[], replaced: ReadonlySet<string>): Record<string, Rest> {
  const rests = all.flatMap(([name, service]) => {
    if (replaced.has(name)) return [];
    const dependencies = Object.entries(dependenciesOf(service));
    const kept = dependencies.filter(([other]) => !replaced.has(other));
    const links = service.links.filter((link) => !replaced.has(linkedService(link)));
    const rest = {
      ...(kept.length < dependencies.length ? { dependencies: Object.fromEntries(kept) } : {}),
      ...(links.length < service.links.length ? { links } : {}),
    };
    return Object.keys(rest).length === 0 ? [] : [[name, rest] as const];
  });
  return Object.fromEntries(rests);
}
