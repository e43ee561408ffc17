/**
 * The table of commands: what each does, takes and shows as examples. The command line, its help, the completions of
 * shells and docs/configuration.md come from here.
 */
import type { OptionKey } from "../options.ts";

export interface CommandDescription {
  readonly summary: string;
  /** As usage shows them; absent: the command takes no arguments. */
  readonly argument?: ArgumentDescription;
  /** Whether what follows the first argument belongs to that, options included. */
  readonly passesOptions?: true;
  /** What one uses this command with; help shows these first. */
  readonly own: readonly OptionKey[];
  /** What else changes something for it, shown by groups. */
  readonly more: readonly OptionKey[];
  /** What an option means here, where the table of options says it for another command. */
  readonly meanings?: Readonly<Partial<Record<OptionKey, string>>>;
  /** No line longer than 76 characters. */
  readonly examples: readonly string[];
  /** What `mirror-server help TOPIC` shows of it. */
  readonly guide: string;
}

export interface ArgumentDescription {
  readonly name: string;
  readonly help: string;
  /** All that there is to say, for completions and for who mistypes one. */
  readonly choices?: readonly string[];
  readonly isFile?: true;
}

/** Those of every command. */
export const everywhere: readonly OptionKey[] = [
  "mirror",
  "hexDir",
  "gitDir",
  "privateKey",
  "json",
  "quiet",
  "verbose",
  "logLevel",
];

const signing = ["registryName", "newKey"] as const satisfies OptionKey[];
/** What is wanted besides what locks name, and of whom. */
const wanted = [
  "packages",
  "policies",
  "repos",
  "docs",
  "lists",
  "installers",
  "elixir",
  "otp",
  "artefacts",
  "targets",
] as const satisfies OptionKey[];
const hosts = ["allowHosts", "allowOwners", "allowLocalGit"] as const satisfies OptionKey[];
/** Whom one asks for what is not held. */
const asking = [
  "upstream",
  "upstreamKey",
  "hexUrl",
  "hexApiUrl",
  "hexPublicKey",
  "buildsUrl",
  "buildsPublicKey",
] as const satisfies OptionKey[];
/** How what is asked for is fetched. */
const pulling = [
  "maxAge",
  "upstreamTimeout",
  "local",
  ...asking,
  "allowHosts",
  "allowOwners",
  "maxSize",
  "maxItemSize",
  "pullPrivate",
] as const satisfies OptionKey[];

const lockArgument: ArgumentDescription = {
  name: "lock",
  help: "mix.lock, rebar.lock or manifest.toml files, or project folders; none: the working folder",
  isFile: true,
};

/** By name, as they are typed, in the order in which a newcomer meets them. */
export const commands = {
  exec: {
    summary: "run a command with Hex, Mix, rebar3 and git pointed at the mirror",
    argument: { name: "command", help: "after --, with its arguments" },
    passesOptions: true,
    own: ["pull", "offline", "hermetic", "artefacts", "url", "usePolicy", "lockName", "requireToken"],
    more: [
      "targets",
      "host",
      "port",
      "tlsPort",
      "certsDir",
      "cacheDir",
      ...pulling,
      "repos",
      "gitMaxProcesses",
      "gitCacheSize",
      ...signing,
    ],
    meanings: {
      requireToken: "the file whose first token opens what the mirror guards",
      artefacts: "also what packages download while they compile, by a proxy that leads to the mirror first",
      host: "address of the server that may be used, where one runs",
      port: "its HTTP port; a server of the command's own takes any",
      tlsPort: "its HTTPS port",
    },
    examples: [
      "mirror-server exec -- mix deps.get",
      "mirror-server exec -- sh                   # a shell that uses the mirror",
      "mirror-server exec --hermetic -- mix test  # what it lacks fails, by name",
    ],
    guide: "laptop",
  },
  serve: {
    summary: "serve the mirror over HTTP and HTTPS",
    own: ["watch", "pull", "offline", "readOnly", "host", "port", "tlsPort", "tls", "name", "upstream", "requireToken"],
    more: [
      "certsDir",
      "cacheDir",
      "grace",
      "workers",
      "gitMaxProcesses",
      "gitCacheSize",
      "trustProxy",
      "metricsToken",
      "metricsPort",
      "tlsCert",
      "tlsKey",
      "tlsCa",
      "forgetCaKey",
      ...pulling.filter((key) => key !== "upstream"),
      "lockName",
      "gitRefs",
      "gitShallow",
      "lfs",
      "allowLocalGit",
      "concurrency",
      "deadline",
      ...wanted,
      ...signing,
    ],
    meanings: { lockName: "what the mirror calls the lock that it watches, when not by its project's folder" },
    examples: [
      "mirror-server serve",
      "mirror-server serve --watch ~/my_app       # sync its locks as they change",
      "mirror-server serve --port 0 --no-tls      # any free port, HTTP only",
      "mirror-server serve --offline              # what is held, nothing else",
      "mirror-server serve --read-only --no-tls   # a replica of a mirror",
      "mirror-server serve --hex-dir .hex_repo --git-dir .git_repo",
    ],
    guide: "laptop",
  },
  sync: {
    summary: "fetch and verify what locks name, then sign the registry",
    argument: lockArgument,
    own: [
      "dryRun",
      "ifChanged",
      "packages",
      "installers",
      "elixir",
      "otp",
      "docs",
      "artefacts",
      "targets",
      "policies",
      "lockName",
      "acceptChanged",
      "deadline",
    ],
    more: [
      "repos",
      "lists",
      "gitRefs",
      "gitShallow",
      "lfs",
      "concurrency",
      "cacheDir",
      ...asking.filter((key) => key !== "upstreamKey"),
      "newUpstreamKey",
      "fromUpstream",
      "local",
      ...hosts,
      ...signing,
    ],
    meanings: { dryRun: "tell what is missing, without network, and fetch nothing" },
    examples: [
      "mirror-server sync                         # ./mix.lock",
      "mirror-server sync ~/my_app ~/other        # several apps in one mirror",
      "mirror-server sync --dry-run               # what is missing; no network",
      "mirror-server sync --package rebar3_hex@7.0.8",
      "mirror-server sync --installers --elixir 1.17.3 --otp 27",
    ],
    guide: "laptop",
  },
  verify: {
    summary: "is all that the locks name here and intact? exit 3 if not",
    argument: lockArgument,
    own: ["deep", "dryRun", "lockName", "oci", "verifyKey"],
    more: [...wanted, "lfs", "hexPublicKey", "tag", ...hosts],
    meanings: {
      lfs: "do not ask for what files of git repositories point to in Git LFS",
      oci: "check an image that pack made, deeply, instead of this mirror",
      verifyKey: "with --oci: the public key that has to have signed it",
      tag: "with --oci: which image, where the layout holds several",
      dryRun: "with --deep: say what would go into quarantine, and leave it",
      packages: "check this release, too; may come several times",
      policies: "check this dependency policy, too; may come several times",
      docs: "check the documentation of each release, too",
      lists: "check upstream's own lists, too",
      installers: "check what mix local.hex and mix local.rebar download, too",
      artefacts: "check what packages download while they compile, too",
    },
    examples: [
      "mirror-server verify",
      "mirror-server verify --deep                # and whether all else is",
      "mirror-server verify ~/my_app --json | jq .missing",
      "mirror-server verify --oci mirror-image",
    ],
    guide: "ci",
  },
  list: {
    summary: "what is held, how big it is, and which locks want it",
    argument: { name: "name", help: "only what has one of these in its name; * stands for anything" },
    own: [],
    more: [],
    examples: [
      "mirror-server list",
      "mirror-server list phoenix 'ecto*'",
      "mirror-server list --json | jq '.[] | select(.locks == [])'",
    ],
    guide: "laptop",
  },
  why: {
    summary: "which lock wants a package or repository, through whom",
    argument: { name: "name", help: "a package, an application, or a part of a repository's URL" },
    own: [],
    more: [],
    examples: ["mirror-server why telemetry", "mirror-server why heroicons --json"],
    guide: "laptop",
  },
  status: {
    summary: "is what locks name here; what is held, how big, how old, whom it trusts",
    own: ["redraw"],
    more: ["certsDir"],
    examples: [
      "mirror-server status",
      "mirror-server status --watch",
      "mirror-server status --json | jq '.git[] | select(.shallow)'",
    ],
    guide: "laptop",
  },
  prune: {
    summary: "remove what no known lock and no entry of the configuration needs",
    own: ["dryRun", "keepLocks", "unused"],
    more: [...wanted, "hexPublicKey", "cacheDir", ...signing],
    meanings: {
      packages: "keep this release, too; may come several times",
      policies: "keep this dependency policy, too; may come several times",
      docs: "keep the documentation of each release",
      lists: "keep upstream's own lists",
      installers: "keep installers",
      artefacts: "keep what packages download while they compile",
    },
    examples: [
      "mirror-server prune --dry-run",
      "mirror-server prune --keep-locks my_app,other_app",
      "mirror-server prune --unused 90d           # what nobody asked for lately",
    ],
    guide: "laptop",
  },
  build: {
    summary: "sign the registry anew from the tarballs in the folder",
    own: ["adopt", "dryRun"],
    more: ["hexPublicKey", "repos", "cacheDir", ...signing],
    examples: [
      "mirror-server build",
      "mirror-server build --adopt my_package@1.0.0   # no record covers it",
      "mirror-server build --private-key my_key.pem --new-key",
    ],
    guide: "hex",
  },
  add: {
    summary: "put a package of your own into a Hex repository of the mirror's",
    argument: { name: "file", help: 'what "mix hex.build" or "rebar3 hex build" made', isFile: true },
    own: ["into", "docsFile", "acceptChanged"],
    more: ["hexPublicKey", "cacheDir", ...signing],
    meanings: { acceptChanged: "let NAME@VERSION, which was removed, come back as something else" },
    examples: [
      "mirror-server add acme-1.0.0.tar",
      "mirror-server add acme-1.0.0.tar --docs acme-1.0.0-docs.tar.gz",
      "mirror-server add acme-1.0.0.tar --repo corp",
    ],
    guide: "private-packages",
  },
  remove: {
    summary: "take a release out that was added",
    argument: { name: "name@version", help: "acme@1.0.0, or REPOSITORY/NAME@VERSION" },
    own: ["into"],
    more: ["hexPublicKey", "cacheDir", ...signing],
    meanings: { into: "the Hex repository that it was added to" },
    examples: ["mirror-server remove acme@1.0.0", "mirror-server remove acme@1.0.0 --repo corp"],
    guide: "private-packages",
  },
  pack: {
    summary: "make an OCI image of the mirror, to be carried or pushed",
    argument: { name: "out", help: "a folder, or a .tar file", isFile: true },
    own: ["oci", "archive", "onto", "base", "tag", "sign", "withPrivate"],
    more: ["readOnly"],
    meanings: { readOnly: "of a replica, which nobody writes to: takes no writers' lock" },
    examples: [
      "mirror-server pack mirror-image",
      "mirror-server pack mirror-image --onto mirror-image   # what has changed",
      "mirror-server pack mirror.tar --sign pack_key.pem",
    ],
    guide: "air-gapped",
  },
  unpack: {
    summary: "check an image that pack made, and take its mirror",
    argument: { name: "image", help: "what pack made, or skopeo fetched", isFile: true },
    own: ["verifyKey", "tag", "newKey"],
    more: ["hexPublicKey"],
    meanings: {
      tag: "which image, where the layout holds several",
      newKey: "take a registry that is signed by another key than the one that is here",
    },
    examples: [
      "mirror-server unpack mirror-image --mirror mirror",
      "mirror-server unpack mirror.tar --key pack_public.pem --mirror mirror",
    ],
    guide: "air-gapped",
  },
  publish: {
    summary: "bring the Hex tree to a bucket of S3 or alike",
    own: ["to", "endpoint", "region", "dryRun", "pruneBucket", "acceptChanged", "withPrivate"],
    more: ["concurrency"],
    meanings: {
      dryRun: "say what would be put and removed, and do neither",
      acceptChanged: "replace NAME[@VERSION], of which the bucket has another tarball",
      withPrivate: "also organisations, other Hex repositories and the mirror's own",
      concurrency: "how much is put at once",
    },
    examples: [
      "mirror-server publish --to s3://hex-mirror/",
      "mirror-server publish --to s3://hex-mirror/ --endpoint http://minio:9000",
    ],
    guide: "company",
  },
  init: {
    summary: "write what a project needs to use a mirror, over nothing of yours",
    own: ["compose", "service", "commit", "usePolicy", "lockName"],
    more: ["registryName", ...hosts],
    examples: ["mirror-server init", "mirror-server init --compose --service web", "mirror-server init --commit"],
    guide: "docker-compose",
  },
  env: {
    summary: "print the variables that point clients at the running mirror",
    own: ["format", "revert", "url", "usePolicy", "requireToken"],
    more: ["pull", "offline", "host", "port", "tlsPort", "certsDir", "cacheDir", "allowHosts"],
    meanings: {
      requireToken: "the file whose first token opens what the mirror guards",
      host: "address that the server listens on",
      port: "the HTTP port that it listens on",
      tlsPort: "the HTTPS port that it listens on",
    },
    examples: [
      'eval "$(mirror-server env)"',
      'eval "$(mirror-server env --revert)"       # back online',
      'mirror-server env --format github-actions >> "$GITHUB_ENV"',
    ],
    guide: "laptop",
  },
  doctor: {
    summary: "what stands in the way on this machine; exit 0 or 1",
    own: [],
    more: ["pull", "offline", "host", "port", "tlsPort", "tls", "certsDir", "cacheDir", "tlsCert", "tlsKey", "tlsCa"],
    examples: ["mirror-server doctor", "mirror-server doctor --json | jq '.checks[] | select(.state != \"ok\")'"],
    guide: "settings",
  },
  certs: {
    summary: "renew the server certificate, or give one to a replica",
    argument: { name: "action", help: "renew, or export and a folder", choices: ["renew", "export"] },
    own: ["newCa", "forgetCaKey", "name"],
    more: ["certsDir", "host"],
    examples: [
      "mirror-server certs renew",
      "mirror-server certs renew --new-ca --name git.corp.example",
      "mirror-server certs export | kubectl apply -f -   # a Secret",
      "mirror-server certs export replica-certs           # files",
    ],
    guide: "docker-compose",
  },
  health: {
    summary: "ask the running server; exit 0 or 1",
    own: ["host", "port"],
    more: [],
    meanings: { host: "address that the server listens on", port: "the HTTP port that it listens on" },
    examples: ["mirror-server health", "mirror-server health --port 8080"],
    guide: "docker-compose",
  },
} as const satisfies Record<string, CommandDescription>;

export type CommandName = keyof typeof commands;

/** What is about this program itself, and needs no mirror. */
export const besides = {
  help: "help for a command, or a guide: help laptop",
  completion: "print what a shell completes commands with: bash, zsh, fish",
} as const;

/** Which file the options are read from is none of them. */
export const configFlag = {
  long: "--config",
  value: "<file>",
  help: "configuration file (default: ./mirror.config.json)",
} as const;

/** With its options as one list. */
export function optionsOf({ own, more }: CommandDescription): OptionKey[] {
  return [...own, ...more, ...everywhere];
}

/** Headings of help, and what stands below each, for what is no command's own. */
export const optionGroups: Readonly<Record<string, readonly OptionKey[]>> = {
  "Which mirror": ["mirror", "hexDir", "gitDir", "privateKey", "certsDir", "cacheDir", "lockName"],
  "What is mirrored besides": [
    "packages",
    "policies",
    "docs",
    "lists",
    "installers",
    "elixir",
    "otp",
    "artefacts",
    "targets",
    "gitRefs",
    "gitShallow",
    "lfs",
  ],
  "Whom it asks": [
    "pull",
    "offline",
    "readOnly",
    "upstream",
    "upstreamKey",
    "hexUrl",
    "hexApiUrl",
    "hexPublicKey",
    "repos",
    "buildsUrl",
    "buildsPublicKey",
    "newUpstreamKey",
    "fromUpstream",
    "local",
    "pullPrivate",
    "maxAge",
    "upstreamTimeout",
    "deadline",
    "concurrency",
  ],
  "What it may ask for": ["allowHosts", "allowOwners", "allowLocalGit", "maxSize", "maxItemSize"],
  "How it listens": [
    "host",
    "port",
    "tlsPort",
    "tls",
    "tlsCert",
    "tlsKey",
    "tlsCa",
    "forgetCaKey",
    "trustProxy",
    "workers",
    "gitMaxProcesses",
    "gitCacheSize",
    "grace",
  ],
  "How it signs": ["registryName", "newKey"],
  "What it prints": ["json", "quiet", "verbose", "logLevel"],
};
