/** The description of `/api/mirror`, made of the schemas that its answers are made by: they cannot disagree. */
import * as z from "zod";
import {
  answeredSchema,
  fileSchema,
  gitDetailSchema,
  gitSchema,
  overviewSchema,
  packageDetailSchema,
  packageSchema,
  workSchema,
} from "../facts/shape.ts";
import { version } from "../version.ts";

const parameter = (name: string, where: "path" | "query", description: string) => ({
  name,
  in: where,
  description,
  required: where === "path",
  schema: { type: "string" },
});

/** Of each path below `/api/mirror`: what it answers with. There is a route for each, as its type demands. */
export const answers = {
  "": {
    summary: "Will it serve me? State, known locks, upstreams, what is held",
    schema: overviewSchema,
    parameters: [],
  },
  "/packages": {
    summary: "The packages that are held",
    schema: z.array(packageSchema),
    parameters: [parameter("search", "query", "Only those whose name or description has it")],
  },
  "/packages/{repository}/{name}": {
    summary: "One package: requirements, checksums, signatures, what was seen when",
    schema: packageDetailSchema,
    parameters: [
      parameter("repository", "path", "hexpm, hexpm:ORGANISATION, or another"),
      parameter("name", "path", "The package"),
    ],
  },
  "/git": { summary: "The git repositories that are held", schema: z.array(gitSchema), parameters: [] },
  "/git/{host}/{path}": {
    summary: "One git repository, with its branches and tags",
    schema: gitDetailSchema,
    parameters: [
      parameter("host", "path", "Its host"),
      parameter("path", "path", "owner/repository, with its slashes"),
    ],
  },
  "/files": { summary: "Installers, files, policies and documentation", schema: z.array(fileSchema), parameters: [] },
  "/requests": { summary: "The last requests, the newest last", schema: z.array(answeredSchema), parameters: [] },
  "/works": { summary: "What runs, and the last of what ran", schema: z.array(workSchema), parameters: [] },
} as const;

export function openApi(): object {
  const paths = Object.entries(answers).map(([path, { summary, schema, parameters }]) => [
    `/api/mirror${path}`,
    {
      get: {
        summary,
        parameters,
        responses: {
          "200": { description: "So it is", content: { "application/json": { schema: jsonSchema(schema) } } },
          "401": { description: "A token is needed, as the password of a login or as a bearer" },
          "404": { description: "It is not held", content: { "application/json": { schema: notHeld } } },
        },
      },
    },
  ]);
  const events = {
    get: {
      summary: "Requests and works as they come, as server-sent events: request, works, state",
      parameters: [],
      responses: {
        "200": { description: "A stream", content: { "text/event-stream": { schema: { type: "string" } } } },
      },
    },
  };
  return {
    openapi: "3.1.0",
    info: {
      title: "mirror-server",
      version,
      description: "What a mirror holds, and whether it serves you. Read-only.",
    },
    paths: { ...(Object.fromEntries(paths) as Record<string, object>), "/api/mirror/events": events },
  };
}

const notHeld = {
  type: "object",
  required: ["status", "message"],
  properties: { status: { type: "integer" }, message: { type: "string" } },
};

function jsonSchema(schema: z.ZodType): object {
  const { $schema: _version, ...rest } = z.toJSONSchema(schema, { target: "draft-2020-12" });
  return rest;
}
