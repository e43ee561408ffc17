/** The web server of one test: HTTP, or HTTPS with HTTP/1.1 and 2, or a proxy for itself; fetches go to the mirror. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, createReadStream, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { buffer } from "node:stream/consumers";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { challengeOf, userOf } from "./logins.mjs";
import { host, repositoryAt } from "./mirror.mjs";
import { readAnswer, runProgram } from "./programs.mjs";
import { lacksHeaders, realmOf, rewrite, routeOf, variablesOf } from "./rules.mjs";

/** Answers until the process ends. @param mirror of startMirror */
export async function serve({ root, port, defined, pidFile }, mirror) {
  const site = {
    root,
    mirror,
    defined,
    origin: `${defined.has("SSL") ? "https" : "http"}://127.0.0.1:${port}`,
    told: new Set(),
  };
  const server = defined.has("SSL") ? secureServer(root, defined) : http.createServer();
  server.on("request", async (request, response) => {
    try {
      await send(site, request, response, await answer(site, request));
    } catch (error) {
      process.stderr.write(`${error.stack}\n`);
      response.destroy();
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  writeFileSync(pidFile, String(process.pid));
}

async function answer(site, request) {
  const { root, defined, origin } = site;
  const [, proxied] = /^http:\/\/[^/]*(\/.*)$/.exec(request.url) ?? [];
  if (defined.has("PROXY") && proxied !== undefined) {
    const user = userOf(request.headers["proxy-authorization"], `${root}/proxy-passwd`);
    if (user === undefined)
      return page(407, "Proxy Authentication Required", [["proxy-authenticate", 'Basic realm="proxy-auth"']]);
  }
  const [, asked, query = ""] = /^([^?]*)(?:\?(.*))?$/.exec(proxied ?? request.url);
  const { redirect, status, path } = rewrite(decodeURI(asked), query);
  if (redirect !== undefined) {
    const [code, location] = redirect;
    return page(code, "Moved", [["location", location.startsWith("/") ? origin + location : location]]);
  }
  if (status !== undefined) return page(status, "Bad Gateway");
  const realm = realmOf(path, query);
  const user = realm === undefined ? undefined : userOf(request.headers.authorization, `${root}/passwd`);
  if (realm !== undefined && user === undefined) {
    return page(401, "Unauthorized", [["www-authenticate", `Basic realm="${realm}"`]]);
  }
  if (user?.startsWith("forbidden-user@") === true || lacksHeaders(path, request.headers))
    return page(403, "Forbidden");
  const route = routeOf(path);
  const asking = { root, request, path, query, user, variables: variablesOf(path), below: route.below };
  if (route.script !== undefined) return runProgram(`${root}/${route.script}`, asking);
  if (route.isBackend !== true) return file(`${root}/www${route.below}`);
  if (route.hasOwnLogins === true) {
    const challenge = challengeOf(root, request.headers.authorization);
    const lines = challenge.lines.map((line) => `${line}\n`).join("");
    // As it was written down, which may be no head that Node would write.
    if (challenge.status !== 200) return { raw: `HTTP/1.1 ${challenge.status} Authorization Required\n${lines}\n` };
  }
  if (route.firstTime !== undefined && !site.told.has(route.firstTime.key)) return tooMany(site, route.firstTime);
  return route.isChangedOnce === true ? changedOnce(site, asking) : fromBackend(site, asking);
}

/** Once for each test, or always. */
function tooMany({ told }, { key, wait }) {
  if (wait !== "permanent") told.add(key);
  const known = { none: undefined, invalid: "invalid-format-123abc", permanent: "1" };
  const after = wait in known ? known[wait] : decodeURIComponent(wait);
  const headers = [["content-type", "text/plain"], ...(after === undefined ? [] : [["retry-after", after]])];
  return { status: 429, message: "Too Many Requests", headers, body: Buffer.from("too many\n") };
}

/** What a mirror is for from the mirror, the rest from git's own program. */
async function fromBackend({ root, mirror }, asking) {
  const { request, query, below, variables } = asking;
  const [, repository, action] = /^(.*)\/(info\/refs|git-upload-pack)$/.exec(below) ?? [];
  const isFetch = action === "git-upload-pack" ? request.method === "POST" : query === "service=git-upload-pack";
  const dir = isFetch ? repositoryAt(`${root}/www${repository}`) : undefined;
  const isExported = variables.GIT_HTTP_EXPORT_ALL !== undefined || existsSync(`${dir}/git-daemon-export-ok`);
  // A mirror knows nothing of namespaces.
  const isOurs = dir !== undefined && isExported && variables.GIT_NAMESPACE === undefined;
  appendFileSync(`${root}/who.log`, `${isOurs ? "mirror" : "git"} ${request.method} ${request.url}\n`);
  if (!isOurs) return runProgram(`${process.env.GIT_EXEC_PATH}/git-http-backend`, asking);
  const isSent = ([name]) =>
    !/^:|^(?:host|connection|upgrade|http2-settings|transfer-encoding|expect|authorization|proxy.*)$/.test(name);
  const headers = Object.fromEntries([["host", host], ...Object.entries(request.headers).filter(isSent)]);
  if (variables.GIT_PROTOCOL !== undefined) delete headers["git-protocol"];
  const path = `/${mirror.pathOf(dir)}/${action}${query === "" ? "" : `?${query}`}`;
  const inner = http.request({ host: "127.0.0.1", port: mirror.port, method: request.method, path, headers });
  request.pipe(inner);
  const [response] = await once(inner, "response");
  const { statusCode: status, statusMessage: message, rawHeaders } = response;
  const fields = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1]]] : []));
  const isOwn = ([name]) => /^(?:connection|keep-alive|transfer-encoding|date)$/i.test(name);
  return { status, message, headers: fields.filter((field) => !isOwn(field)), body: response };
}

/** While there is a `one-time-script`, it may change an answer; the first that it does change is the last. */
async function changedOnce(site, asking) {
  const { root } = site;
  const before = await fromBackend(site, asking);
  const script = `${root}/one-time-script`;
  if (!existsSync(script)) return before;
  const fields = before.headers.filter(([name]) => !/^content-length$/i.test(name));
  const status = before.status === 200 ? [] : [["Status", before.status]];
  const head = [...status, ...fields].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const written = Buffer.concat([Buffer.from(`${head}\r\n`), await bytesOf(before.body)]);
  writeFileSync(`${root}/out`, written);
  const env = { ...process.env, LC_ALL: "C" };
  const child = spawn("./one-time-script", ["out"], { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
  const after = await buffer(child.stdout);
  if (!after.equals(written)) rmSync(script);
  return readAnswer(Readable.from([after], { objectMode: false }));
}

async function bytesOf(body) {
  return Buffer.isBuffer(body) ? body : buffer(body);
}

async function send({ root }, request, response, { status, message, headers, body, raw }) {
  if (raw !== undefined) {
    response.socket.end(raw);
    return;
  }
  const cookies = request.url.includes("/smart_cookies/") ? [["set-cookie", "name=value"]] : [];
  for (const [name, value] of [...headers, ...cookies]) {
    const before = /^(?:set-cookie|www-authenticate)$/i.test(name) ? response.getHeader(name) : undefined;
    response.setHeader(name, before === undefined ? value : [before, value].flat());
  }
  response.statusCode = status;
  if (message && request.httpVersionMajor === 1) response.statusMessage = message;
  let size = 0;
  // Before the client has its end, since the tests look at once.
  const note = () => {
    const line = `${request.method} ${request.url} HTTP/${request.httpVersion}`;
    appendFileSync(`${root}/access.log`, `127.0.0.1 - - [-] "${line}" ${status} ${size === 0 ? "-" : size}\n`);
  };
  if (request.method === "HEAD") {
    note();
    response.end();
    return;
  }
  const counted = new Transform({
    transform: (chunk, _encoding, done) => {
      size += chunk.length;
      done(null, chunk);
    },
    flush: (done) => {
      note();
      done();
    },
  });
  // Where the answer breaks off, or the client goes away, so does the other.
  await pipeline(Buffer.isBuffer(body) ? Readable.from([body]) : body, counted, response).catch(note);
}

function secureServer(root, defined) {
  const pem = readFileSync(`${root}/httpd.pem`);
  if (!defined.has("HTTP2")) return https.createServer({ key: pem, cert: pem });
  // Larger than what any test sends: libcurl 7.88 stalls where it has to wait for the window of an upload.
  const initialWindowSize = 2 ** 24;
  const server = http2.createSecureServer({ key: pem, cert: pem, allowHTTP1: true, settings: { initialWindowSize } });
  return server.on("session", (session) => session.setLocalWindowSize(initialWindowSize));
}

function page(status, words, headers = []) {
  const type = ["content-type", "text/html; charset=iso-8859-1"];
  return { status, message: words, headers: [type, ...headers], body: Buffer.from(`<p>${words}</p>\n`) };
}

function file(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) return page(404, "Not Found");
  return { status: 200, headers: [["content-length", found.size]], body: createReadStream(path) };
}
