import { expect, test } from "vitest";
import { findTarget, requestPlace } from "../../src/serve/hosts.ts";

const served = new Set(["github.com", "gitlab.example.org", "gitserver", "repo.hex.pm", "builds.hex.pm", "hex.pm"]);
const known = { own: new Set(["mirror.corp.example"]), served: () => served };
const find = (host: string | undefined, path: string) => findTarget(host, path, known);
const git = (host: string, repository: string, action = "info/refs") => ({ kind: "git", host, repository, action });

const oid = "ab".repeat(32);

test.each([
  ["localhost:8000", "/packages/jason", { kind: "own", path: "/packages/jason" }],
  ["app_deps", "//packages//jason", { kind: "own", path: "/packages/jason" }],
  ["127.0.0.1", "/health", { kind: "own", path: "/health" }],
  ["[::1]:8000", "/health", { kind: "own", path: "/health" }],
  ["mirror.corp.example", "/names", { kind: "own", path: "/names" }],
  [undefined, "/names", { kind: "own", path: "/names" }],
  ["github.com", "/a/b/info/refs", git("github.com", "a/b")],
  ["GitHub.com.:443", "/a/b.git/git-upload-pack", git("github.com", "a/b.git", "git-upload-pack")],
  ["localhost", "/github.com/a/b.git/info/refs", git("github.com", "a/b.git")],
  ["localhost", "/gitlab.example.org/g/s/p/info/refs", git("gitlab.example.org", "g/s/p")],
  // As the old stack had it: no host in the path, GitHub's repositories only.
  ["git_deps", "/a/b/info/refs", git("github.com", "a/b")],
  ["gitserver", "/a/b/info/refs", git("gitserver", "a/b")],
  ["gitserver", "/packages/jason", { kind: "own", path: "/packages/jason" }],
  ["localhost", "/gitserver/a/b.git/info/refs", git("gitserver", "a/b.git")],
  // Told by their suffix, whatever the owner is called.
  ["localhost", "/packages/jason/info/refs", git("github.com", "packages/jason")],
  ["localhost", "/docs/api.git/git-upload-pack", git("github.com", "docs/api.git", "git-upload-pack")],
  ["github.com", "/a/b.git/git-receive-pack", git("github.com", "a/b.git", "git-receive-pack")],
  ["github.com", "/a/b.git/git-upload-archive", git("github.com", "a/b.git", "git-upload-archive")],
  ["github.com", "/a/b.git/info/lfs/objects/batch", git("github.com", "a/b.git", "lfs/batch")],
  ["github.com", `/a/b/info/lfs/objects/${oid}`, { ...git("github.com", "a/b", "lfs/object"), oid }],
  ["github.com", "/a/b/info/lfs/objects/short", git("github.com", "a/b", "lfs/other")],
  ["github.com", "/a/b.git/info/lfs/locks/verify", git("github.com", "a/b.git", "lfs/other")],
  ["github.com", "/a/b.git/config", git("github.com", "a/b.git", "dumb")],
  ["github.com", "/a/b.git/objects/pack/pack-1.pack", git("github.com", "a/b.git", "dumb")],
  // Another host's code must never come out of github.com's folder.
  ["gitlab.com", "/a/b/info/refs", git("gitlab.com", "a/b")],
  ["example.org", "/packages/jason", { kind: "unknown", host: "example.org", path: "/packages/jason" }],
  // Hex's hosts: upstream's own records, and what is the same on both faces.
  ["repo.hex.pm", "/packages/jason", { kind: "upstream", path: "/packages/jason" }],
  ["repo.hex.pm:443", "/repos/acme/packages/x", { kind: "upstream", path: "/repos/acme/packages/x" }],
  ["localhost", "/repo.hex.pm/public_key", { kind: "upstream", path: "/public_key" }],
  ["repo.hex.pm", "/tarballs/jason-1.4.1.tar", { kind: "own", path: "/tarballs/jason-1.4.1.tar" }],
  ["repo.hex.pm", "/installs/hex-1.x.csv", { kind: "own", path: "/installs/hex-1.x.csv" }],
  ["builds.hex.pm", "/installs/hex.csv", { kind: "own", path: "/installs/hex.csv" }],
  ["hex.pm", "/api/packages/jason", { kind: "own", path: "/api/packages/jason" }],
  ["builds.hex.pm", "/packages/jason", { kind: "file", host: "builds.hex.pm", path: "/packages/jason" }],
  ["repo.hex.pm", "/health", { kind: "file", host: "repo.hex.pm", path: "/health" }],
  // Other files, by host.
  [
    "github.com",
    "/o/r/releases/download/v1/t",
    { kind: "file", host: "github.com", path: "/o/r/releases/download/v1/t" },
  ],
  ["localhost", "/github.com/o/r/x.tgz", { kind: "file", host: "github.com", path: "/o/r/x.tgz" }],
  // Decoded once, so that what is allowed or guarded is what is served.
  ["localhost", "/%72epos/acme/names", { kind: "own", path: "/repos/acme/names" }],
  ["localhost", "/tarballs/a-1.0.0%2Bb.tar", { kind: "own", path: "/tarballs/a-1.0.0+b.tar" }],
  ["localhost", "/a%2fb", { kind: "unknown", host: "", path: "/a%2fb" }],
  ["localhost", "/a/../b", { kind: "unknown", host: "", path: "/a/../b" }],
  ["localhost", "/a/%2e%2e/b", { kind: "unknown", host: "", path: "/a/%2e%2e/b" }],
  ["localhost", "/%zz", { kind: "unknown", host: "", path: "/%zz" }],
  ["github.com", "/", { kind: "unknown", host: "github.com", path: "/" }],
  // By these containers reach the machine that they run on.
  ["host.docker.internal:8000", "/packages/jason", { kind: "own", path: "/packages/jason" }],
  ["host.containers.internal", "/github.com/a/b/info/refs", git("github.com", "a/b")],
  // No owner at GitHub has a dot: what nothing is held of is told by its own name.
  ["localhost", "/git.example.com/a/b/info/refs", git("git.example.com", "a/b")],
  // A first segment that is no served host is just a path.
  ["localhost", "/example.org/x", { kind: "own", path: "/example.org/x" }],
])("%s %s", (host, path, target) => {
  expect(find(host, path)).toEqual(target);
});

test.each([
  ["/names?x=1", "localhost:8000", { host: "localhost:8000", path: "/names" }],
  ["http://github.com/o/r.git/info/refs?service=x", "proxy", { host: "github.com", path: "/o/r.git/info/refs" }],
  ["http://user:secret@github.com:80", "proxy", { host: "github.com:80", path: "/" }],
  ["//github.com/names", "localhost", { host: "localhost", path: "//github.com/names" }],
])("a request for %s with the host %s", (url, host, expected) => {
  expect(requestPlace(url, host)).toEqual(expected);
});
