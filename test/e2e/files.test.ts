/** Release assets and other files: fetched once with redirects followed, checked ever after, served by host. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { startFileUpstream, type FileUpstream } from "../support/file-upstream.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const asset = Buffer.from("an executable".repeat(10_000));

let cwd: string;
let upstream: FileUpstream;
let host: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  upstream = await startFileUpstream();
  host = new URL(upstream.url).hostname;
  upstream.files.set("/o/r/releases/download/v1/tool-linux-x64", { redirect: "/objects/1234?signature=abc" });
  upstream.files.set("/objects/1234?signature=abc", asset);
  upstream.files.set("/o/r/releases/download/v1/tool-macos", Buffer.from("other"));
});

const configure = (files: unknown) => writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ files }));
const pattern = () => ({
  url: `${upstream.url}/o/r/releases/download/v{v}/tool-{target}`,
  v: "1",
  target: ["linux-x64", "macos"],
});
const sync = () => mirrorHere(["sync"], { cwd });
const verify = (...args: string[]) => mirrorHere(["verify", ...args], { cwd });
const mirrored = (path: string) => join(cwd, ".mirror/files", host, path);

describe("sync", () => {
  test("fetches every URL of a pattern, redirects followed; a second run asks nothing and changes nothing", async () => {
    await configure([pattern()]);
    const { code, stdout } = await sync();
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 2, .*failed 0, 130\.0 kB/)]);
    expect(await readFile(mirrored("o/r/releases/download/v1/tool-linux-x64"))).toEqual(asset);
    expect(JSON.parse(await readFile(join(cwd, ".mirror/files.json"), "utf8"))).toMatchObject({
      [`${host}/o/r/releases/download/v1/tool-linux-x64`]: { sha256: sha256(asset), bytes: asset.length },
    });
    const before = await snapshot(join(cwd, ".mirror"));
    upstream.log.length = 0;
    expect((await sync()).stdout).toMatch(/^added 0, updated 0, unchanged 2/);
    expect(upstream.log).toEqual([]);
    expect(await snapshot(join(cwd, ".mirror"))).toEqual(before);
  });

  test("what the first sync recorded holds ever after: another file under the same URL is refused", async () => {
    await configure([pattern()]);
    await sync();
    await writeFile(mirrored("o/r/releases/download/v1/tool-macos"), "damaged");
    const damaged = await verify();
    expect([damaged.code, damaged.stdout]).toEqual([3, expect.stringMatching(/damaged http.*tool-macos: .*another/)]);
    upstream.files.set("/o/r/releases/download/v1/tool-macos", Buffer.from("replaced"));
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/upstream sent a file with SHA-256 \w{64}; the first sync got/),
    ]);
    upstream.files.set("/o/r/releases/download/v1/tool-macos", Buffer.from("other"));
    expect((await sync()).stdout).toMatch(/^added 0, updated 1, unchanged 1/);
    expect((await verify()).code).toBe(0);
  });

  test("a file that lies there without a checksum is not trusted: what upstream sends decides", async () => {
    const url = `${upstream.url}/o/r/releases/download/v1/tool-linux-x64`;
    const file = mirrored("o/r/releases/download/v1/tool-linux-x64");
    await configure([{ url }]);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, "planted");
    expect((await verify()).code).toBe(3);
    expect((await sync()).stdout).toMatch(/^added 0, updated 1/);
    expect(await readFile(file)).toEqual(asset);
    await rm(join(cwd, ".mirror/files.json"));
    expect((await sync()).stdout).toMatch(/^added 0, updated 0, unchanged 1/);
    expect((await verify()).code).toBe(0);
  });

  test("a checksum in the configuration has the last word", async () => {
    const url = `${upstream.url}/o/r/releases/download/v1/tool-linux-x64`;
    await configure([{ url, sha256: "0".repeat(64) }]);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/the configuration says 0{64}/)]);
    expect(await readFile(join(cwd, ".mirror/files.json"), "utf8").catch(() => "{}")).toBe("{}");
    await configure([{ url, sha256: sha256(asset).toUpperCase() }]);
    expect((await sync()).code).toBe(0);
  });

  test("a download that breaks is begun anew, and one without end is cut", async () => {
    await configure([{ url: `${upstream.url}/o/r/releases/download/v1/tool-macos` }]);
    let broken = 0;
    upstream.intercept = (_request, response) => {
      if (broken++ > 0) return false;
      response.writeHead(200, { "content-length": 1000 });
      response.write("part", () => response.destroy());
      return true;
    };
    expect((await sync()).code).toBe(0);
    expect(await readFile(mirrored("o/r/releases/download/v1/tool-macos"), "utf8")).toBe("other");
  });

  test("an error without end is hung up on, and a redirect's body is not read to its end", async () => {
    let sent = 0;
    const endless = (response: ServerResponse) => {
      const more = () => {
        while (response.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
        sent += 64 * 1024;
      };
      response.on("drain", more);
      more();
    };
    upstream.intercept = (request, response) => {
      if (request.url === "/endless") response.writeHead(404);
      else if (request.url === "/moved") response.writeHead(302, { location: "/o/r/releases/download/v1/tool-macos" });
      else return false;
      endless(response);
      return true;
    };
    await configure([{ url: `${upstream.url}/{x}`, x: ["endless", "moved"] }]);
    const { code, stdout, stderr } = await sync();
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^added 1, .*failed 1/)]);
    expect(stderr).toMatch(/failed http:.*\/endless: upstream does not have it \(status 404\)/);
    // What fits into the buffers on the way, and not what memory would hold.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test("what is not there, and circles of redirects, fail by themselves", async () => {
    upstream.files.set("/circle", { redirect: "/circle" });
    await configure([{ url: `${upstream.url}/{x}`, x: ["nothing", "circle"] }, pattern()]);
    const { code, stdout, stderr } = await sync();
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^added 2, .*failed 2/)]);
    expect(stderr).toMatch(/failed http:.*\/nothing: upstream does not have it \(status 404\)/);
    expect(stderr).toMatch(/failed http:.*\/circle: .* redirects more than 3 times/);
  });

  test("a damaged record of checksums fails the files, and nothing else", async () => {
    await configure([pattern()]);
    await mkdir(join(cwd, ".mirror"));
    await writeFile(join(cwd, ".mirror/files.json"), "garbage");
    const { code, stdout, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/failed the files: .*files\.json is damaged/)]);
    expect(stdout).toContain("registry: 0 packages");
  });

  test("a bad entry is refused before anything is fetched", async () => {
    await configure([pattern(), { url: "https://user:secret@h/x" }]);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([2, expect.stringContaining("credentials have no place here")]);
    expect(upstream.log).toEqual([]);
    await configure({ url: "https://h/x" });
    expect((await sync()).stderr).toMatch(/"files" in .*mirror\.config\.json: .* give a list of/);
  });
});

describe("serve", () => {
  test("gives them by host, with length, ranges and validators; what is not there gets a 404 that says what to do", async () => {
    await configure([pattern()]);
    await sync();
    const server = await startServer(["--no-tls"], { cwd });
    // 127.0.0.1 is an own name of the mirror, so the host is the first segment.
    const url = `${server.url}/${host}/o/r/releases/download/v1/tool-linux-x64`;
    const whole = await fetch(url);
    expect([whole.status, whole.headers.get("content-length")]).toEqual([200, String(asset.length)]);
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(asset);
    const part = await fetch(url, { headers: { range: "bytes=3-12" } });
    expect([part.status, await part.text(), part.headers.get("content-range")]).toEqual([
      206,
      "executable",
      `bytes 3-12/${asset.length}`,
    ]);
    expect(whole.headers.get("etag")).toMatch(/"/);
    const none = await fetch(`${server.url}/${host}/o/r/releases/download/v1/tool-windows`);
    expect([none.status, await none.text()]).toEqual([404, expect.stringContaining('name it under "files"')]);
    expect((await fetch(`${server.url}/${host}/..%2f..%2fprivate_key.pem`)).status).toBe(404);
  });
});
