/**
 * What a person copies to point clients at a server, from its page. Without a file of that machine where upstream's records
 * are to be had, which clients can check by themselves; else with the mirror's own key. Pure.
 */
import type { ClientSnippet } from "../page/clients.tsx";
import { singleQuoted } from "../text.ts";
import { formatVariables } from "./formats.ts";
import { gitRules, gitSettings } from "./git-rules.ts";
import { noSettings } from "../git/users-settings.ts";
import { containerVariables } from "./variables.ts";

export interface SnippetSetup {
  /** As the browser reaches it, without a slash at the end. */
  readonly url: string;
  /** Hosts whose git repositories are mirrored. */
  readonly gitHosts: readonly string[];
  /** Whether upstream's own records are to be had there, signed by the key that clients bring along. */
  readonly hasUpstream: boolean;
  /** The registry's key, PEM; undefined: it has none yet. */
  readonly publicKey: string | undefined;
  readonly isGuarded: boolean;
  /** What clients trust for HTTPS, where that is an authority of the mirror's own and the browser came by HTTPS. */
  readonly hasAuthority: boolean;
}

export function clientSnippets(setup: SnippetSetup): ClientSnippet[] {
  const { url, isGuarded, hasUpstream } = setup;
  const token = isGuarded ? " --require-token token.txt" : "";
  const command: ClientSnippet = {
    id: "command",
    title: "With mirror-server",
    about:
      "Where it is installed, too: Hex, rebar3 and git are pointed here for as long as a command runs, nothing of the user's changes, and all of it is checked.",
    text: `mirror-server exec --url ${url}${token} -- mix deps.get`,
  };
  // What is guarded needs a file with the token, and what nobody upstream has signed one with the key.
  return isGuarded || !hasUpstream ? [command, ...withKey(setup)] : [command, ...byVariables(setup), ...withKey(setup)];
}

function byVariables(setup: SnippetSetup): ClientSnippet[] {
  const { url, gitHosts } = setup;
  const rules = gitRules({ url, gitHosts, gitPrefixes: [], users: noSettings, isHermetic: false });
  const settings = gitSettings({ url, gitCredentials: undefined }).filter(([, value]) => value !== "");
  const plain = containerVariables(url, [...rules, ...settings]);
  const set: Record<string, string> = { ...plain, ...(setup.hasAuthority ? authorityVariables : {}) };
  const change = { set, unset: [], moved: [] };
  const pairs = Object.entries(set);
  const fetchCa = setup.hasAuthority ? [`# Save ${url}/ca.pem as ${caFile}, and compare its fingerprint.`] : [];
  return [
    {
      id: "sh",
      title: "Shell",
      about: "For sh, bash and zsh, as long as the shell is open.",
      text: [...fetchCa, formatVariables("sh", change, false)].join("\n"),
    },
    {
      id: "fish",
      title: "fish",
      about: "Likewise.",
      text: [...fetchCa, formatVariables("fish", change, false)].join("\n"),
    },
    {
      id: "powershell",
      title: "PowerShell",
      about: "Likewise.",
      text: [...fetchCa, formatVariables("powershell", change, false)].join("\n"),
    },
    {
      id: "dockerfile",
      title: "Dockerfile",
      about: "Before the first step that fetches; the build has to reach the server by this name.",
      text: [
        ...(setup.hasAuthority ? [`COPY ca.pem ${caFile}`] : []),
        `ENV ${pairs.map(([name, value]) => `${name}=${quotedForDocker(value)}`).join(" \\\n    ")}`,
      ].join("\n"),
    },
    {
      id: "compose",
      title: "docker-compose",
      about:
        'Of a service that uses the mirror. "mirror-server init --compose" writes more: the mirror as a service beside it.',
      text: ["environment:", ...pairs.map(([name, value]) => `  ${name}: ${quotedForCompose(value)}`)].join("\n"),
    },
    {
      id: "github",
      title: "GitHub Actions",
      about: "In a job, whose runner has to reach the server.",
      text: ["env:", ...pairs.map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`)].join("\n"),
    },
    {
      id: "gitlab",
      title: "GitLab",
      about: "In .gitlab-ci.yml; runners have to reach the server.",
      text: formatVariables("gitlab", change, false),
    },
    {
      id: "rebar3",
      title: "rebar3",
      about: "Packages of hexpm as upstream signed them; rebar3 checks that by the key that it brings along.",
      text: `HEX_CDN=${singleQuoted(set["HEX_CDN"] ?? url)} rebar3 get-deps`,
    },
  ];
}

// Where it is put on the client.
const caFile = "/tmp/mirror-ca.pem";
const authorityVariables = { HEX_CACERTS_PATH: caFile, GIT_SSL_CAINFO: caFile };

/** For good, by the mirror's own signature: what lies there without a record of upstream's is to be had by it alone. */
function withKey({ url, publicKey, isGuarded, gitHosts }: SnippetSetup): ClientSnippet[] {
  if (publicKey === undefined) return [];
  // Hex from 2.6 on passes over keys that are stored for organisations.
  const login = isGuarded
    ? [`printf 'machine ${new URL(url).hostname}\\nlogin any\\npassword YOUR_TOKEN\\n' >>~/.netrc`]
    : [];
  const key = publicKey.trim().replaceAll("\n", "\\n");
  const secret = isGuarded ? ', repo_key => <<"YOUR_TOKEN">>' : "";
  return [
    {
      id: "hex",
      title: "Hex, for good",
      about:
        "By the mirror's own signature. Compare the key's fingerprint first; mix hex.repo remove hexpm takes it back.",
      text: [
        `curl -fsS ${url}/public_key -o mirror_key.pem`,
        `mix hex.repo set hexpm --url ${url} --public-key mirror_key.pem`,
        ...login,
      ].join("\n"),
    },
    {
      id: "git",
      title: "git, for good",
      about: "For each host that is mirrored; git config --global --unset-all takes it back.",
      text: gitHosts.map((host) => `git config --global url.${url}/${host}/.insteadOf https://${host}/`).join("\n"),
    },
    {
      id: "rebar-config",
      title: "rebar3, for good",
      about:
        "In ~/.config/rebar3/rebar.config, by the mirror's own signature; and in the environment, where rebar3 looks for the URL.",
      text: `%% export HEX_CDN=${singleQuoted(url)}\n{hex, [{repos, [#{name => <<"hexpm">>, repo_url => <<"${url}">>, api_url => <<"${url}/api">>, repo_public_key => <<"${key}\\n">>, repo_verify => true, repo_verify_origin => true${secret}}]}]}.`,
    },
  ];
}

function quotedForDocker(value: string): string {
  return `"${value.replace(/["\\$]/g, "\\$&")}"`;
}

function quotedForCompose(value: string): string {
  return JSON.stringify(value.replaceAll("$", "$$$$"));
}
