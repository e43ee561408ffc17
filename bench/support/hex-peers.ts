/** Servers of one folder of Hex files: ours, nginx, and a Fastify that does no more than answer from memory. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { root, started, type Peer } from "./peers.ts";

export interface HexPeer extends Peer {
  readonly tlsUrl: string;
}

interface Served {
  /** Where it may keep its own files. */
  readonly dir: string;
  readonly hexDir: string;
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly processes: number;
}

export async function startOursForHex({ dir, cert, key, processes }: Served, mirror: string): Promise<HexPeer> {
  mkdirSync(dir, { recursive: true });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const args = ["--port", String(port), "--tls-port", String(tlsPort), "--log-level", "error", "--mirror", mirror];
  const own = ["--tls-cert", cert, "--tls-key", key, "--cache-dir", join(dir, "cache")];
  const child = spawn(
    process.execPath,
    [join(root, "dist/main.js"), "serve", ...args, ...own, "--workers", String(processes)],
    { cwd: dir, stdio: ["ignore", "ignore", "inherit"], detached: true },
  );
  return { ...(await started(port, [child])), tlsUrl: `https://127.0.0.1:${tlsPort}` };
}

/** As its package sets it up, without its log. */
export async function startNginxForHex({ dir, hexDir, cert, key, processes }: Served): Promise<HexPeer> {
  mkdirSync(dir, { recursive: true });
  const [port, tlsPort] = [await freePort(), await freePort()];
  writeFileSync(
    join(dir, "nginx.conf"),
    `daemon off; pid ${dir}/pid; error_log ${dir}/error.log; worker_processes ${processes};
     ${process.getuid?.() === 0 ? "user root;" : ""}
     events { worker_connections 768; }
     http { sendfile on; tcp_nopush on; access_log off; keepalive_requests 100000000;
       client_body_temp_path ${dir}/b; fastcgi_temp_path ${dir}/f; proxy_temp_path ${dir}/p;
       uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
       server { listen 127.0.0.1:${port}; listen 127.0.0.1:${tlsPort} ssl;
         ssl_certificate ${cert}; ssl_certificate_key ${key};
         root ${hexDir}; } }`,
  );
  const child = spawn("nginx", ["-c", join(dir, "nginx.conf")], { stdio: "ignore", detached: true });
  return { ...(await started(port, [child])), tlsUrl: `https://127.0.0.1:${tlsPort}` };
}

/** What Node and Fastify can do at best: the bytes are in memory, one `stat` a request tells whether they still hold. */
export async function startBareFastify({ dir, hexDir, cert, key }: Served): Promise<HexPeer> {
  mkdirSync(dir, { recursive: true });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const program = `
    import Fastify from "fastify";
    import { readFileSync, statSync } from "node:fs";
    const files = new Map();
    for (const [port, https] of [[${port}], [${tlsPort}, { key: readFileSync(${JSON.stringify(key)}), cert: readFileSync(${JSON.stringify(cert)}) }]]) {
      const app = Fastify(https === undefined ? {} : { https });
      app.get("/*", (request, reply) => {
        const path = ${JSON.stringify(hexDir)} + request.url;
        const { mtimeMs } = statSync(path);
        let file = files.get(path);
        if (file?.mtimeMs !== mtimeMs) files.set(path, (file = { mtimeMs, bytes: readFileSync(path) }));
        reply.header("etag", '"tag"').type("application/octet-stream");
        return request.headers["if-none-match"] === '"tag"' ? reply.code(304).send() : reply.send(file.bytes);
      });
      await app.listen({ port });
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    stdio: "ignore",
    detached: true,
  });
  return { ...(await started(port, [child])), tlsUrl: `https://127.0.0.1:${tlsPort}` };
}
