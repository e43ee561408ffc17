/** CGI, RFC 3875: a program answers a request. An answer is `{ status, message, headers: [[name, value]], body: stream or bytes }`. */
import { spawn } from "node:child_process";

// What the tests' configuration lets through of their environment.
const passed = [
  "PATH",
  "PERL_PATH",
  "GIT_EXEC_PATH",
  "GIT_VALGRIND",
  "GIT_VALGRIND_OPTIONS",
  "GNUPGHOME",
  "GIT_TRACE",
].concat([
  "ASAN_OPTIONS",
  "LSAN_OPTIONS",
  "UBSAN_OPTIONS",
  "GIT_CONFIG_NOSYSTEM",
  "GIT_TEST_SIDEBAND_ALL",
  "LANG",
  "LC_ALL",
]);

export async function runProgram(program, { root, request, path, query, below, user, variables }) {
  const given = passed.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined);
  const isTold = ([name]) => !/^:|^(?:authorization|proxy.*|content-type|content-length)$/.test(name);
  const headers = Object.entries(request.headers)
    .filter(isTold)
    .map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll("-", "_")}`, String(value)]);
  const length = request.headers["content-length"];
  const env = {
    ...Object.fromEntries([...given, ...headers]),
    ...(user === undefined ? {} : { REMOTE_USER: user, AUTH_TYPE: "Basic" }),
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_PROTOCOL: `HTTP/${request.httpVersion}`,
    SERVER_SOFTWARE: "stand-in",
    REQUEST_METHOD: request.method,
    QUERY_STRING: query,
    SCRIPT_NAME: path.slice(0, path.length - below.length),
    PATH_INFO: below,
    PATH_TRANSLATED: `${root}/www${below}`,
    REMOTE_ADDR: "127.0.0.1",
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    ...(length === undefined ? {} : { CONTENT_LENGTH: length }),
    ...variables,
  };
  const child = spawn(program, [], { cwd: root, env, stdio: ["pipe", "pipe", "inherit"] });
  // It may end without having read all.
  child.stdin.on("error", () => undefined);
  request.pipe(child.stdin);
  return readAnswer(child.stdout);
}

/** @param stream what such a program writes */
export async function readAnswer(stream) {
  let start = Buffer.alloc(0);
  for (;;) {
    const chunk = stream.read();
    if (chunk !== null) start = Buffer.concat([start, chunk]);
    const end = /\r?\n\r?\n/.exec(start.toString("latin1"));
    if (end !== null) {
      stream.unshift(start.subarray(end.index + end[0].length));
      return { ...headOf(start.toString("latin1", 0, end.index)), body: stream };
    }
    if (stream.readableEnded || stream.destroyed) {
      return { status: 500, headers: [["content-type", "text/html"]], body: Buffer.from("it has written no head\n") };
    }
    if (chunk === null) await new Promise((resolve) => stream.once("readable", resolve).once("end", resolve));
  }
}

function headOf(text) {
  const fields = [...text.matchAll(/^([^:\r\n]+):[ \t]*([^\r\n]*)/gm)].map(([, name, value]) => [name, value]);
  const isStatus = ([name]) => name.toLowerCase() === "status";
  const [, status = "200", message] = /^(\d{3})\s*(.*)$/.exec(fields.find(isStatus)?.[1] ?? "") ?? [];
  return { status: Number(status), message, headers: fields.filter((field) => !isStatus(field)) };
}
