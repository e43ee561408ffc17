/** The key that a mirror's registry is signed with, as clients are given it. */
import type { KeyObject } from "node:crypto";
import { readPublicKey } from "../hex/keys.ts";
import { hexpm } from "../names/hex-repository.ts";
import type { StorePaths } from "./paths.ts";

/** The key that is published: for a dry run, and for `--new-key`, by which a person takes over what that key signed. */
export async function publishedKey(paths: StorePaths): Promise<KeyObject | undefined> {
  const file = paths.registry(hexpm).publicKey;
  const pem = (await file.read())?.toString("utf8");
  return pem === undefined ? undefined : readPublicKey(pem, file.path);
}
