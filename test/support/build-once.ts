/** The command-line tests run what users run, so it has to be the present source that is built. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export default function setup(): void {
  const bootstrap = fileURLToPath(new URL("../../scripts/bootstrap.js", import.meta.url));
  const { status } = spawnSync(process.execPath, [bootstrap, "build"], { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error("the build failed");
}
