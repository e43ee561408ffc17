/** The servers that are compared, each on a free loopback port, each on the same repositories. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";

export interface Peer {
  readonly url: string;
  /** The processes whose time counts, with their children. */
  readonly pids: () => number[];
  readonly stop: () => Promise<void>;
}

export const root = new URL("../../../", import.meta.url).pathname;

export async function startOurs(cwd: string, args: readonly string[] = []): Promise<Peer> {
  const port = await freePort();
  const main = join(root, "dist/main.js");
  const child = spawn(
    process.execPath,
    [
      main,
      "serve",
      "--port",
      String(port),
      "--no-tls",
      "--log-level",
      "warn",
      "--cache-dir",
      join(cwd, "cache"),
      ...args,
    ],
    { cwd, stdio: ["ignore", "ignore", "inherit"], detached: true },
  );
  return started(port, [child]);
}

/** nginx in front of fcgiwrap in front of `git http-backend`, as the old stack has it. */
export async function startNginx(dir: string, gitRoot: string, workers: number): Promise<Peer> {
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const socket = join(dir, "fcgiwrap.sock");
  const wrap = spawn("fcgiwrap", ["-c", String(workers), "-s", `unix:${socket}`], { stdio: "ignore", detached: true });
  writeFileSync(
    join(dir, "nginx.conf"),
    `daemon off; pid ${dir}/pid; error_log ${dir}/error.log; worker_processes 2; ${process.getuid?.() === 0 ? "user root;" : ""}
     events { worker_connections 1024; }
     http { access_log off; client_body_temp_path ${dir}/b; fastcgi_temp_path ${dir}/f; proxy_temp_path ${dir}/p;
       uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
       server { listen 127.0.0.1:${port}; client_max_body_size 0;
         location ~ (/.*) { include /etc/nginx/fastcgi_params;
           fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
           fastcgi_param GIT_PROJECT_ROOT ${gitRoot}; fastcgi_param GIT_HTTP_EXPORT_ALL "";
           fastcgi_param GIT_PROTOCOL $http_git_protocol;
           fastcgi_param PATH_INFO $1; fastcgi_pass unix:${socket}; fastcgi_read_timeout 300s; } } }`,
  );
  const nginx = spawn("nginx", ["-c", join(dir, "nginx.conf")], { stdio: "ignore", detached: true });
  return started(port, [nginx, wrap]);
}

export async function startNodeGitServer(gitRoot: string): Promise<Peer> {
  const port = await freePort();
  const program = `import { Git } from "node-git-server"; new Git(${JSON.stringify(gitRoot)}, { autoCreate: false }).listen(${port}, { type: "http" });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    stdio: "ignore",
    detached: true,
  });
  return started(port, [child]);
}

export async function started(port: number, children: readonly ChildProcess[]): Promise<Peer> {
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 200) throw new Error(`nobody listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url: `http://127.0.0.1:${port}`,
    pids: () => children.map(({ pid }) => pid ?? 0),
    stop: async () => {
      for (const child of children) {
        if (child.exitCode !== null) continue;
        // The whole group: fcgiwrap's workers do not end with the process that made them.
        process.kill(-(child.pid ?? 0), "SIGTERM");
        await once(child, "exit");
      }
    },
  };
}

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}
