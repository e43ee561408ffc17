/** What the configuration of git's tests makes of a request, by its path: where it leads, who may ask, who answers. Pure. */

const redirects = [
  [/^\/dumb-redir\/(.*)$/, 301, (rest) => `/dumb/${rest}`],
  [/^\/smart-redir-perm\/(.*)$/, 301, (rest) => `/smart/${rest}`],
  [/^\/smart-redir-temp\/(.*)$/, 302, (rest) => `/smart/${rest}`],
  [/^\/smart-redir-auth\/(.*)$/, 301, (rest) => `/auth/smart/${rest}`],
  [/^\/smart-redir-limited\/(.*)\/info\/refs$/, 301, (rest) => `/smart/${rest}/info/refs`],
  [/^\/ftp-redir\/(.*)$/, 302, (rest) => `ftp://localhost:1000/${rest}`],
  // Twenty times round.
  [/^\/loop-redir\/(?:x-){20}(.*)$/, 302, (rest) => `/${rest}`],
  [/^\/loop-redir\/(.*)$/, 302, (rest) => `/loop-redir/x-${rest}`],
  [/^\/insane-redir\/(.*)$/, 301, (rest) => `/intern-redir/${rest}/foo`],
  [/^\/redir-objects\/(.*\/objects\/.*)$/, 301, (rest) => `/dumb/${rest}`],
];
const rewrites = [
  [/^\/intern-redir\/(.*)\/foo$/, (rest) => `/smart/${rest}`],
  [/^\/redir-objects\/(.*\/info\/refs)$/, (rest) => `/dumb/${rest}`],
];

/** @returns {{ redirect: [number, string] } | { status: number } | { path: string }} the last to go on with */
export function rewrite(path, query) {
  const withQuery = (location, args) => (args === "" ? location : `${location}?${args}`);
  for (const [pattern, status, to] of redirects) {
    const found = pattern.exec(path);
    if (found !== null) return { redirect: [status, withQuery(to(found[1]), query)] };
  }
  // By way of another path, which has the first in its query.
  const byWay = /^\/redir-to\/(.*)$/.exec(path);
  if (byWay !== null) return { redirect: [302, `/really-redir-to?path=${byWay[1]}&qs=${query}`] };
  const [, target, args] = (path === "/really-redir-to" && /^path=(.*?)&qs=(.*)$/.exec(query)) || [];
  if (target !== undefined) {
    return target.startsWith("502/") ? { status: 502 } : { redirect: [302, withQuery(`/${target}`, args)] };
  }
  for (const [pattern, to] of rewrites) {
    const found = pattern.exec(path);
    if (found !== null) return { path: to(found[1]) };
  }
  return { path };
}

/** The realm that asks for a login; undefined where anybody may. */
export function realmOf(path, query) {
  if (/^\/auth\/|^\/auth-push\/.*\/git-receive-pack$|^\/auth-fetch\/.*\/git-upload-pack$/.test(path)) return "git-auth";
  const isPush = query.includes("service=git-receive-pack") || path.endsWith("/git-receive-pack");
  return path.startsWith("/half-auth-complete/") && isPush ? "Git Access" : undefined;
}

export function lacksHeaders(path, headers) {
  const isMagic = headers["x-magic-one"] === "abra" && headers["x-magic-two"] === "cadabra";
  return path.includes("/smart_headers/") && !isMagic;
}

// The first that fits counts. Scripts are the tests' own; `backend` is what git's http-backend answers.
const routes = [
  [/^\/smart\/incomplete_length\/git-upload-pack(.*)/, { script: "incomplete-length-upload-pack-v2-http.sh" }],
  [/^\/smart\/incomplete_body\/git-upload-pack(.*)/, { script: "incomplete-body-upload-pack-v2-http.sh" }],
  [/^\/smart\/no_report\/git-receive-pack(.*)/, { script: "error-no-report.sh" }],
  [/\/error_git_upload_pack\/.*\/git-upload-pack()/, { script: "error.sh" }],
  [/\/smart_*[^/]*(\/.*)/, { isBackend: true }],
  [/^\/broken_smart(\/.*)/, { script: "broken-smart-http.sh" }],
  [/^\/error_smart(\/.*)/, { script: "error-smart-http.sh" }],
  [/^\/error(\/.*)/, { script: "error.sh" }],
  [/\/one_time_script(\/.*)/, { isBackend: true, isChangedOnce: true }],
  [/\/custom_auth(\/.*)/, { isBackend: true, hasOwnLogins: true }],
  [/^\/dumb(\/.*)/, {}],
];

/** @returns who answers; what lies below that in `below`, which is the path of a file where nobody does */
export function routeOf(path) {
  const [, test, wait, repository] = /\/http_429\/([^/]+)\/([^/]+)(\/.*)/.exec(path) ?? [];
  if (repository !== undefined) {
    return {
      isBackend: true,
      below: repository,
      firstTime: { key: `${test} ${wait} ${repository.split("/")[1]}`, wait },
    };
  }
  for (const [pattern, route] of routes) {
    const found = pattern.exec(path);
    if (found !== null) return Object.assign({ below: found[1] }, route);
  }
  return { below: path };
}

/** Variables that git's own program is given besides. */
export function variablesOf(path) {
  const isIn = (...names) => names.some((name) => path.includes(`/${name}/`));
  const exported = ["smart", "smart_custom_env", "smart_namespace", "smart_cookies", "smart_headers"];
  return {
    ...(isIn(...exported, "one_time_script", "smart_v0", "custom_auth", "http_429") ? { GIT_HTTP_EXPORT_ALL: "" } : {}),
    ...(isIn("smart_custom_env")
      ? { GIT_COMMITTER_NAME: "Custom User", GIT_COMMITTER_EMAIL: "custom@example.com" }
      : {}),
    ...(isIn("smart_namespace") ? { GIT_NAMESPACE: "ns" } : {}),
    ...(isIn("smart_v0") ? { GIT_PROTOCOL: "" } : {}),
  };
}
