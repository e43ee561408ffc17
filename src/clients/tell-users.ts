/** What of the user's settings does not count within `exec`, or is not as it may be thought to be: told, a line each. */
import { unverifiedIn } from "../git/users-settings.ts";
import type { Context } from "../store/context.ts";
import { switchesIn } from "../verification.ts";
import type { Client } from "./client.ts";
import { findSettings } from "./found-settings.ts";
import type { UsersFiles } from "./users-files.ts";

/** @param repositories those that the mirror has */
export function tellUsers(
  { config, reporter }: Context<"hexConfigFile">,
  { environment, hex, rebar }: UsersFiles,
  { client, repositories }: { readonly client: Client; readonly repositories: readonly string[] },
): void {
  const off = [...switchesIn(client.environment), ...unverifiedIn(client.git.settings), ...hex.switches];
  if (off.length > 0) {
    const are = off.length === 1 ? "is" : "are";
    reporter.note(`verification is on: ${off.join(", ")} would turn it off, and ${are} taken out`);
  }
  if (hex.isUnread) reporter.note(`${config.hexConfigFile} cannot be read, and nothing that it says counts here`);
  const unknown = hex.repositories.filter((name) => !repositories.includes(name));
  if (unknown.length > 0) {
    reporter.note(
      `of Hex's repositories that you have the mirror lacks ${unknown.join(", ")}: nothing comes from there`,
    );
  }
  if (rebar.plugins.length > 0) {
    reporter.note(
      `rebar3's plugins for all projects (${rebar.plugins.join(", ")}) are left out: it fetches them past any mirror`,
    );
  }
  for (const { names, described } of findSettings({ environment, git: client.git, hex, rebar })) {
    if (described.treatment === "tell") reporter.note(`${names.join(" and ")} in ${described.in}: ${described.effect}`);
  }
}
