/** What a server needs only when somebody looks at it: loaded then, and in one piece, since each file costs. */
export { createMetrics } from "./metrics.ts";
export { openApi } from "./openapi.ts";
export * as pages from "../page/pages.tsx";
