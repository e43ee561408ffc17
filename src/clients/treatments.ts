/**
 * Every setting of the user's that can lead a client past the mirror, or keep it from it, and what `exec` and `env` do with
 * it. The one place that says so: what is taken out of the environment, out of Hex's and rebar3's configuration, what
 * `doctor` tells, and the table in docs/guides/settings.md come from here. What is not named is kept.
 */

/**
 * keep: it holds, and does no harm or protects; neutralise: it does not count while clients are pointed at the mirror; tell: it
 * counts, and what that means is told.
 */
type Treatment = "keep" | "neutralise" | "tell";

export interface Described {
  readonly client: "git" | "Hex" | "Mix" | "rebar3" | "all";
  /** Where it stands. */
  readonly in: "environment" | "git" | "hex.config" | "rebar.config";
  /** As people write them; `*` stands for anything. Of one treatment, for one reason. */
  readonly names: readonly string[];
  readonly treatment: Treatment;
  /** What comes of it: the end of a sentence that begins with the names. */
  readonly effect: string;
}

const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

export const described: readonly Described[] = [
  {
    client: "git",
    in: "git",
    names: ["url.*.insteadOf"],
    treatment: "neutralise",
    effect:
      "lead elsewhere what the mirror stands in for: each such rule gets one of the mirror's own, which git reads first; git " +
      "before 2.32 reads the user's first, so there repositories that are held or locked get a longer rule each",
  },
  {
    client: "git",
    in: "git",
    names: ["url.*.pushInsteadOf"],
    treatment: "keep",
    effect: "are about pushing, and the mirror takes no pushes",
  },
  {
    client: "git",
    in: "git",
    names: ["http.proxy", "http.*.proxy", "remote.*.proxy"],
    treatment: "neutralise",
    effect: "would be asked for the mirror, this machine's own addresses included: NO_PROXY holds the mirror's",
  },
  {
    client: "git",
    in: "git",
    names: ["http.extraHeader", "http.*.extraHeader", "http.curloptResolve", "http.*.curloptResolve"],
    treatment: "neutralise",
    effect: "are not for the mirror: emptied for its URL, and as they were for any other",
  },
  {
    client: "git",
    in: "git",
    names: ["http.proactiveAuth", "http.*.proactiveAuth"],
    treatment: "neutralise",
    effect: "would have git ask for a login before the mirror does: off for its URL",
  },
  {
    client: "git",
    in: "git",
    names: ["http.sslVerify", "http.*.sslVerify"],
    treatment: "neutralise",
    effect: "turn verification off where they are false: on again, and told",
  },
  {
    client: "git",
    in: "git",
    names: ["http.sslCAInfo", "http.*.sslCAInfo"],
    treatment: "keep",
    effect: "are put into one bundle with the mirror's authority, where it has one",
  },
  {
    client: "git",
    in: "git",
    names: ["http.pinnedPubkey", "http.*.pinnedPubkey", "http.sslCAPath", "http.*.sslCAPath"],
    treatment: "tell",
    effect: "may keep git from a mirror that is asked over https",
  },
  {
    client: "git",
    in: "git",
    names: ["protocol.allow", "protocol.http.allow", "protocol.https.allow"],
    treatment: "neutralise",
    effect: "can forbid how the mirror is reached: that way is allowed",
  },
  {
    client: "git",
    in: "git",
    names: ["credential.*", "core.askPass", "core.sshCommand", "core.gitProxy", "protocol.version", "safe.*"],
    treatment: "keep",
    effect:
      "are not asked by what needs no login; a mirror that is guarded has a helper of its own where --require-token is given",
  },
  {
    client: "git",
    in: "environment",
    names: ["GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM"],
    treatment: "neutralise",
    effect: "are replaced: the mirror's rules stand there, before a file that includes what counted before",
  },
  {
    client: "git",
    in: "environment",
    names: ["GIT_ALLOW_PROTOCOL"],
    treatment: "neutralise",
    effect: "gets the mirror's protocol besides what it allows",
  },
  {
    client: "git",
    in: "environment",
    names: ["GIT_CONFIG_PARAMETERS"],
    treatment: "keep",
    effect: "holds, but where it turns verification off: then it is taken out, and told",
  },
  {
    client: "git",
    in: "environment",
    names: [
      "GIT_CONFIG_GLOBAL",
      "GIT_CONFIG_COUNT",
      "GIT_ASKPASS",
      "SSH_ASKPASS",
      "GIT_SSH",
      "GIT_SSH_COMMAND",
      "GIT_SSL_CAPATH",
      "GIT_SSL_CERT*",
      "GIT_SSL_KEY",
    ],
    treatment: "keep",
    effect: "hold as before; git config --global writes where it always does",
  },
  {
    client: "git",
    in: "environment",
    names: ["GIT_SSL_NO_VERIFY"],
    treatment: "neutralise",
    effect: "turns verification off: taken out, and told",
  },
  {
    client: "all",
    in: "environment",
    names: proxies,
    treatment: "keep",
    effect:
      "hold for what is not the mirror, which NO_PROXY and no_proxy name; of the mirror's scheme the lower-case one becomes the " +
      "upper-case one, since rebar3 before 3.28 asks it for everything (curl and git then go to other http URLs without it)",
  },
  {
    client: "all",
    in: "environment",
    names: ["NO_PROXY", "no_proxy"],
    treatment: "keep",
    effect: "hold both what either held, and the mirror",
  },
  {
    client: "all",
    in: "environment",
    names: ["GIT_SSL_CAINFO", "HEX_CACERTS_PATH", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"],
    treatment: "keep",
    effect: "are put into one bundle with the mirror's authority, where it has one",
  },
  {
    client: "all",
    in: "environment",
    names: ["NODE_TLS_REJECT_UNAUTHORIZED"],
    treatment: "neutralise",
    effect: "turns verification off where it is 0: taken out, and told",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["HEX_OFFLINE"],
    treatment: "neutralise",
    effect: "makes Hex read nothing but its cache: 0",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["HEX_MIRROR", "HEX_MIRROR_URL", "HEX_TRUSTED_MIRROR", "HEX_TRUSTED_MIRROR_URL", "HEX_API_URL", "HEX_API"],
    treatment: "neutralise",
    effect: "say where Hex asks: the mirror",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["HEX_API_KEY", "HEX_REPOS_KEY"],
    treatment: "neutralise",
    effect:
      "are keys for hex.pm, and not sent to the mirror; never printed, and kept under other names for env --revert",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["HEX_UNSAFE_HTTPS", "HEX_UNSAFE_REGISTRY", "HEX_NO_VERIFY_REPO_ORIGIN"],
    treatment: "neutralise",
    effect:
      "turn verification off: taken out or 0, and told; so for a project that asks for it under hex: in its mix.exs",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["MIX_XDG"],
    treatment: "keep",
    effect: "says where Hex lives, where HEX_HOME does not",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["HEX_HOME"],
    treatment: "neutralise",
    effect:
      "says where Hex lives: a home of the mirror's own, into which packages and documentation of yours are linked",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["NETRC"],
    treatment: "keep",
    effect: "says where logins are; of a guarded mirror, a file that holds these and the mirror's",
  },
  {
    client: "Hex",
    in: "environment",
    names: ["HEX_COOLDOWN*", "HEX_POLICY*", "HEX_IGNORE_*", "HEX_HTTP_*", "HEX_DIFF_COMMAND", "HEX_NO_SHORT_URLS"],
    treatment: "keep",
    effect: "protect, or are a matter of taste",
  },
  {
    client: "Hex",
    in: "hex.config",
    names: ["$repos"],
    treatment: "neutralise",
    effect: "says where packages come from: the mirror; a repository of yours that the mirror lacks is told",
  },
  {
    client: "Hex",
    in: "hex.config",
    names: ["$*", "*key", "username"],
    treatment: "neutralise",
    effect: "are logins for hex.pm, and not for the mirror",
  },
  {
    client: "Hex",
    in: "hex.config",
    names: ["api_url", "mirror_url", "trusted_mirror_url", "offline", "http_proxy", "https_proxy", "no_proxy"],
    treatment: "neutralise",
    effect: "would lead past the mirror, or keep Hex from it",
  },
  {
    client: "Hex",
    in: "hex.config",
    names: ["unsafe_https", "unsafe_registry", "no_verify_repo_origin"],
    treatment: "neutralise",
    effect: "turn verification off: left out, and told",
  },
  {
    client: "Hex",
    in: "hex.config",
    names: ["cooldown*", "policy*", "ignore_*", "http_timeout", "http_concurrency", "cacerts_path"],
    treatment: "keep",
    effect: "protect, or are a matter of taste; mix.exs says the same under hex:, and holds as before",
  },
  {
    client: "Mix",
    in: "environment",
    names: ["HEX_BUILDS_URL"],
    treatment: "neutralise",
    effect: "says where local.hex and local.rebar ask: the mirror",
  },
  {
    client: "Mix",
    in: "environment",
    names: ["RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH", "ELIXIR_MAKE_CACHE_DIR", "XLA_CACHE_DIR"],
    treatment: "keep",
    effect:
      "say where precompiled files are looked for first, and stay the user's; where they are not set, they name what the mirror holds",
  },
  {
    client: "rebar3",
    in: "environment",
    names: ["REBAR_OFFLINE"],
    treatment: "neutralise",
    effect: "makes rebar3 read nothing but its cache: taken out",
  },
  {
    client: "rebar3",
    in: "environment",
    names: ["HEX_CDN", "REBAR_GLOBAL_CONFIG_DIR", "REBAR_CACHE_DIR"],
    treatment: "neutralise",
    effect: "say where rebar3 asks and lives: the mirror, and a home of the mirror's own with your rebar.config in it",
  },
  {
    client: "rebar3",
    in: "rebar.config",
    names: ["hex"],
    treatment: "neutralise",
    effect: "says where packages come from: the mirror, its API for rebar3 pkgs included",
  },
  {
    client: "rebar3",
    in: "rebar.config",
    names: ["plugins"],
    treatment: "neutralise",
    effect: "are fetched past every mirror before rebar3 does anything else: left out, and told",
  },
  {
    client: "rebar3",
    in: "rebar.config",
    names: ["offline"],
    treatment: "neutralise",
    effect: "makes rebar3 read nothing but its cache: off",
  },
  {
    client: "rebar3",
    in: "rebar.config",
    names: ["http_proxy", "https_proxy"],
    treatment: "tell",
    effect: "are read from the home folder whatever is set; rebar3 before 3.28 asks them for the mirror too",
  },
];

/** What is done with a setting. Names of git's settings have no case in their first and last part. */
export function treatmentOf(place: Described["in"], name: string): Described | undefined {
  const fold = (text: string) => (place === "git" ? text.toLowerCase() : text);
  return described.find(
    (each) => each.in === place && each.names.some((pattern) => matches(fold(pattern), fold(name))),
  );
}

/** Variables that must not be there while clients are pointed at the mirror, but for those that are set anew. */
export const neutralisedVariables: readonly string[] = described
  .filter((each) => each.in === "environment" && each.treatment === "neutralise")
  .flatMap(({ names }) => names);

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  const [first = "", last = ""] = [parts[0], parts.at(-1)];
  if (parts.length === 1) return pattern === name;
  return name.length >= first.length + last.length && name.startsWith(first) && name.endsWith(last);
}
