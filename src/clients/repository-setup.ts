/** A mirror's Hex repositories, as the configurations of Hex and rebar3 have to name them. Pure. */
import { hexpm, sourceOf } from "../names/hex-repository.ts";

export interface RepositorySetup {
  /** Where the mirror is reached, without a slash at the end. */
  readonly url: string;
  /** The key that the mirror signs with, PEM. */
  readonly publicKey: string;
  /** Organisations and other repositories that the mirror has. */
  readonly repositories: readonly string[];
  /** What a mirror that is guarded wants to be sent; undefined: it is not. */
  readonly token: string | undefined;
}

/** Whether Hex's file has to hold the mirror's URL: only hexpm's can come by the environment. */
export function isUrlInHexFile({ repositories }: Pick<RepositorySetup, "repositories">): boolean {
  return repositories.some((name) => !isPublic(name) && !isOrganisation(name));
}

export function isPublic(repository: string): boolean {
  return repository === hexpm;
}

export function isOrganisation(repository: string): boolean {
  return sourceOf(repository) === hexpm && !isPublic(repository);
}

/** As Erlang writes a text. */
export function binary(text: string): string {
  return `<<"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}">>`;
}
