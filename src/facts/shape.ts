/**
 * What can be known of a mirror, as people see it on the page and programs in `/api/mirror`. These schemas are the one
 * description of both: the types are theirs, and so is the OpenAPI document (serve/openapi.ts).
 */
import * as z from "zod";

const name = (text: string) => z.string().describe(text);
const bytes = z.number().int().describe("Bytes on the disk");
const time = (text: string) => z.iso.datetime().describe(`${text}; ISO 8601, UTC`);
const repository = name("The Hex repository, as locks call it: hexpm, hexpm:ORGANISATION, or another");

export const lackSchema = z
  .object({
    item: name("What it is about, in words"),
    kind: name("The kind of thing: release, git, documentation, installer, file, entry"),
    state: z
      .enum(["missing", "damaged", "skipped", "retired", "advisory"])
      .describe(
        "missing and damaged keep the lock from being covered, and so does what was skipped; the others do not",
      ),
    reason: name("Why, in words"),
    page: z.string().nullable().describe("Where it is told of, on this server; null: nowhere"),
  })
  .meta({ id: "Lack" });

export const lockSchema = z
  .object({
    name: name("As the mirror calls the lock"),
    is_covered: z.boolean().describe("Whether all that it names is here and whole"),
    since: time("Since when that is known to be so, by this server"),
    known_since: time("When what it names was last written down").nullable(),
    packages: z.number().int().describe("Releases that it names"),
    git: z.number().int().describe("Git repositories that it names, submodules included"),
    lacks: z.array(lackSchema).describe("What is missing, damaged, skipped, retired, or has an advisory"),
  })
  .meta({ id: "LockCoverage" });

const upstreamSchema = z
  .object({
    repository: repository.nullable(),
    host: name("Its host"),
    url: z.string().nullable().describe("Where it is asked; null where that was not written down"),
    key: z.string().nullable().describe("The fingerprint of the key that its records are verified with"),
    away: z
      .object({ since: time("Since when it does not answer"), reason: name("What was last wrong") })
      .nullable()
      .describe("null: nothing is wrong with it, as far as is known"),
  })
  .meta({ id: "Upstream" });

export const overviewSchema = z
  .object({
    status: z.enum(["ok", "degraded", "unhealthy"]),
    problems: z.array(z.string()),
    version: name("Of mirror-server"),
    started: time("When this server was started"),
    mode: z.enum(["offline", "pulling"]).describe("Whether it fetches what it is asked for and does not hold"),
    mode_reason: name("What decided that, or what would change it"),
    last_sync: time("When the whole was last synced on this machine").nullable(),
    generation: name("The same for mirrors that list the same releases for the same locks"),
    oldest_record: time("When the oldest of upstream's records was last known to hold").nullable(),
    locks: z.array(lockSchema),
    upstreams: z.array(upstreamSchema),
    holds: z.object({
      packages: z.number().int(),
      releases: z.number().int(),
      repositories: z.number().int(),
      installers: z.number().int(),
      files: z.number().int(),
      documentation: z.number().int(),
      bytes,
    }),
    fingerprints: z.object({
      registry: z.string().nullable().describe("Of the key that signs the registry, as Hex shows it"),
      ca: z.string().nullable().describe("Of the authority of the server's certificate, SHA-256"),
    }),
  })
  .meta({ id: "Overview" });

const wantedBySchema = z
  .object({
    lock: name("A known lock"),
    through: z
      .array(z.string())
      .describe("The apps of that lock that need it; empty: its project does, or that cannot be told"),
  })
  .meta({ id: "WantedBy" });

const heldReleaseSchema = z
  .object({
    version: z.string(),
    bytes: bytes.nullable().describe("Of its tarball; null: that is not here"),
    is_damaged: z.boolean(),
    retired: z.object({ reason: z.string(), message: z.string().nullable() }).nullable(),
    advisories: z.array(z.object({ id: z.string(), summary: z.string(), url: z.string().nullable() })),
    locks: z.array(z.string()).describe("Known locks that name it"),
    has_docs: z.boolean().describe("Whether its documentation is held"),
    published: time("When it was published, as far as its record tells").nullable(),
  })
  .meta({ id: "HeldRelease" });

export const packageSchema = z
  .object({
    repository,
    name: z.string(),
    description: z.string().nullable(),
    licenses: z.array(z.string()),
    bytes,
    releases: z.array(heldReleaseSchema).describe("Newest first"),
    wanted_by: z.array(wantedBySchema),
  })
  .meta({ id: "HeldPackage" });

const requirementSchema = z
  .object({
    package: z.string(),
    repository,
    requirement: z.string(),
    is_optional: z.boolean(),
    is_held: z.boolean(),
  })
  .meta({ id: "Requirement" });

export const packageDetailSchema = packageSchema
  .extend({
    links: z.record(z.string(), z.string()),
    details: z.array(
      z.object({
        version: z.string(),
        inner_checksum: name("SHA-256 of the tarball's insides, hex digits"),
        outer_checksum: z.string().nullable().describe("SHA-256 of the tarball, hex digits"),
        requirements: z.array(requirementSchema),
        elixir: z.string().nullable().describe("The version of Elixir that it asks for"),
        build_tools: z.array(z.string()),
      }),
    ),
    ways: z
      .array(z.object({ lock: z.string(), ways: z.array(z.array(z.string())) }))
      .describe("Through whom each lock needs it, from what the project names itself down to what names this"),
    upstream: z
      .object({
        url: z.string().nullable(),
        key: z.string().nullable(),
        checked: time("When upstream's record came").nullable(),
      })
      .nullable()
      .describe("Whose signature vouches for it; null: no upstream record is held of it"),
    history: z.array(
      z.object({
        version: z.string(),
        checksum: name("Outer, SHA-256, hex digits"),
        key: name("The fingerprint of the key that signed it"),
        seen: z.iso.date().describe("The day on which this mirror first saw it"),
      }),
    ),
  })
  .meta({ id: "PackageDetail" });

export const gitSchema = z
  .object({
    host: z.string(),
    path: name("owner/repository"),
    url: z.string(),
    bytes,
    is_shallow: z.boolean().describe("Without history: serves only clients that ask with a depth"),
    branches: z.number().int().nullable().describe("null: only git can count them"),
    tags: z.number().int().nullable(),
    head: z.string().nullable().describe("The branch that HEAD names; null: a commit, or nothing"),
    locked: z.array(
      z.object({ lock: z.string(), app: z.string(), revision: name("The commit that the lock names, hex digits") }),
    ),
    problems: z.array(z.string()),
    updated: time("When something last came").nullable(),
  })
  .meta({ id: "GitRepository" });

export const gitDetailSchema = gitSchema
  .extend({
    refs: z
      .array(z.object({ name: z.string(), id: name("What it names, hex digits") }))
      .nullable()
      .describe("Branches and tags, the first thousand; null: only git can list them"),
  })
  .meta({ id: "GitRepositoryDetail" });

export const fileSchema = z
  .object({
    kind: z.enum(["installer", "file", "policy", "documentation"]),
    name: name("A path, or a URL"),
    bytes,
    sha256: z.string().nullable().describe("Hex digits, as it was written down when it came"),
  })
  .meta({ id: "HeldFile" });

export const requestKinds = [
  "record",
  "tarball",
  "docs",
  "installer",
  "file",
  "git",
  "api",
  "health",
  "metrics",
  "page",
  "other",
] as const;

export const answeredSchema = z
  .object({
    kind: z.enum(requestKinds),
    outcome: z
      .enum([
        "hit",
        "miss",
        "revalidated",
        "stale",
        "passed",
        "ok",
        "not_found",
        "refused",
        "busy",
        "failed",
        "aborted",
      ])
      .describe("hit: it was here; miss: it was fetched; stale: upstream could not be asked; passed: it is not kept"),
    at: z.number().describe("When it was over, milliseconds since 1970"),
    method: z.string(),
    what: z.string().describe("Host and path, without the query"),
    status: z.number().int(),
    bytes: z.number().int(),
    ms: z.number(),
  })
  .meta({ id: "Answered" });

export const workSchema = z
  .object({
    name: z.string(),
    began: z.iso.datetime(),
    ended: z.iso.datetime().nullable().describe("null: it runs"),
    total: z.number().int().describe("How many things; 0: that is not known"),
    done: z.number().int(),
    failed: z.number().int(),
    bytes: z.number().int(),
    current: z.string(),
    notes: z.array(z.string()),
  })
  .meta({ id: "Work" });

export type Lack = z.infer<typeof lackSchema>;
export type LockCoverage = z.infer<typeof lockSchema>;
export type MirrorOverview = z.infer<typeof overviewSchema>;
export type HeldRelease = z.infer<typeof heldReleaseSchema>;
export type HeldPackage = z.infer<typeof packageSchema>;
export type PackageDetail = z.infer<typeof packageDetailSchema>;
export type GitRepository = z.infer<typeof gitSchema>;
export type GitRepositoryDetail = z.infer<typeof gitDetailSchema>;
export type HeldFile = z.infer<typeof fileSchema>;
export type Answered = z.infer<typeof answeredSchema>;
export type Work = z.infer<typeof workSchema>;
