/** The page, in a real browser, of a real mirror that was synced from real upstreams. */
import { gzipSync } from "node:zlib";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTar } from "nanotar";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hasBrowser, launchBrowser, openPage, violations } from "../support/browser.ts";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { recordOf, startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, makeTarball, mixLock } from "../support/tarballs.ts";

const hostile = "<img src=x onerror=\"document.title='taken'\">";
const old = makeTarball({ name: "old", version: "0.1.0" });
const needy = makeTarball({
  name: "needy",
  version: "3.0.0",
  requirements: [{ name: "alpha", requirement: "~> 1.0" }],
});
const rooms = ["/", "/ui/packages", "/ui/git", "/ui/files", "/ui/clients", "/ui/live"];
const eventually = { timeout: 20_000, interval: 100 };

let browser: Browser;
let cwd: string;
let hex: HexUpstream;
let flags: string[];
let env: Record<string, string>;

beforeAll(async () => {
  if (hasBrowser) browser = await launchBrowser();
});
afterAll(async () => {
  if (hasBrowser) await browser.close();
});

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta, old, needy]);
  const records = new Map([
    ["old", recordOf([old], { releases: { "0.1.0": { retired: { reason: 2, message: hostile } } } })],
  ]);
  hex.publish([alpha, beta, old, needy], { upstream: records });
  const work = join(cwd, "work");
  const revision = await makeRepository(work);
  await commit(work, { "more.txt": "more\n" }, "second");
  const upstream = await startGitUpstream(cwd);
  await git(cwd, ["clone", "-q", "--bare", "work", "owner/repo.git"]);
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  flags = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
  await mkdir(join(cwd, "my_app"));
  const entries = [`"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`];
  await writeFile(join(cwd, "my_app/mix.lock"), mixLock([alpha, beta, old, needy], entries));
  const synced = await mirrorServer(["sync", "my_app", ...flags], { cwd, env });
  expect([synced.code, synced.stderr]).toEqual([0, expect.any(String)]);
});

const start = async (...more: string[]): Promise<RunningServer> => startServer(["--no-tls", ...more], { cwd });

describe.skipIf(!hasBrowser)("the page", () => {
  test("says at a glance whether it will serve me, and what is missing", async () => {
    const server = await start();
    const { page, complaints } = await openPage(browser);
    await page.goto(server.url);
    expect(await page.textContent("h1")).toBe("Yes: all that my_app names is here.");
    await rm(join(cwd, ".mirror/hex/tarballs/beta-2.1.0.tar"));
    await expect.poll(async () => page.textContent("h1"), eventually).toBe("Not all of what my_app names is here.");
    expect(await page.textContent("main")).toMatch(/missing beta 2\.1\.0/);
    expect(complaints).toEqual([]);
  });

  test.each(["light", "dark"] as const)("pleases axe in all its rooms, %s", async (colorScheme) => {
    const server = await start();
    const { page, complaints } = await openPage(browser, { colorScheme });
    for (const room of [...rooms, "/ui/packages/hexpm/old", "/ui/git/github.com/owner/repo"]) {
      await page.goto(server.url + room);
      await page.waitForLoadState("load");
      expect([room, await violations(page)]).toEqual([room, []]);
    }
    expect(complaints).toEqual([]);
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(dark).toBe(colorScheme === "dark" ? "rgb(20, 18, 26)" : "rgb(251, 250, 253)");
  });

  test("searches as one types, and by the server without a script", async () => {
    const server = await start();
    const { page } = await openPage(browser);
    await page.goto(`${server.url}/ui/packages`);
    const shown = async (on: Page) => on.locator("#packages tbody tr:visible th a").allTextContents();
    expect(await shown(page)).toEqual(["alpha", "beta", "needy", "old"]);
    await page.getByRole("searchbox").fill("bet 2.1.0");
    expect(await shown(page)).toEqual(["beta"]);
    expect(await page.getByRole("status").textContent()).toBe("1 of 4");
    await page.getByRole("searchbox").fill("MIT 3.0.0");
    expect(await shown(page)).toEqual(["needy"]);

    const plain = await openPage(browser, { javaScriptEnabled: false });
    await plain.page.goto(`${server.url}/ui/packages`);
    await plain.page.getByRole("searchbox").fill("bet 2.1.0");
    await plain.page.getByRole("button", { name: "Search" }).click();
    expect(new URL(plain.page.url()).search).toBe("?search=bet+2.1.0");
    expect(await shown(plain.page)).toEqual(["beta"]);
  });

  test("tells all of a package, and shows what others wrote as text", async () => {
    const server = await start();
    const { page, complaints } = await openPage(browser);
    await page.goto(`${server.url}/ui/packages/hexpm/old`);
    const text = (await page.textContent("main")) ?? "";
    expect(text).toContain(`Retired: ${hostile}`);
    expect(text).toContain(old.outerChecksum);
    expect(text).toContain("retired: security");
    expect(await page.title()).toBe("old · mirror-server");
    await page.goto(`${server.url}/ui/packages/hexpm/alpha`);
    expect(await page.textContent(".ways")).toContain("needy → alpha");
    expect(await page.textContent("main")).toMatch(/by the key SHA256:/);
    await page.goto(`${server.url}/ui/git/github.com/owner/repo`);
    expect(await page.textContent("main")).toMatch(/my_app\s*repo\s*[0-9a-f]{40}/);
    expect(complaints).toEqual([]);
    expect((await page.goto(`${server.url}/ui/packages/hexpm/nothing`))?.status()).toBe(404);
  });

  test("copies what sets up a client for this very server", async () => {
    const server = await start();
    const { page } = await openPage(browser, { permissions: ["clipboard-read", "clipboard-write"] });
    const url = server.url.replace("127.0.0.1", "localhost");
    await page.goto(`${url}/ui/clients`);
    await page.getByRole("button", { name: "Copy Hex, for good" }).click();
    await expect
      .poll(async () => page.getByRole("button", { name: "Copy Hex, for good" }).textContent())
      .toBe("Copied");
    const copied = await page.evaluate(async () => navigator.clipboard.readText());
    expect(copied).toContain(`mix hex.repo set hexpm --url ${url} --public-key mirror_key.pem`);
    const health = (await (await fetch(`${server.url}/health`)).json()) as { fingerprints: { registry: string } };
    expect(await page.textContent("[data-fingerprint=registry]")).toBe(health.fingerprints.registry);
    for (const title of ["With mirror-server", "Hex, for good", "git, for good", "rebar3, for good"]) {
      expect(await page.getByRole("heading", { name: title, exact: true }).count()).toBe(1);
    }
  });

  test("shows requests and a sync as they happen, without being loaded again", async () => {
    await rm(join(cwd, ".mirror"), { recursive: true });
    let letGo = () => undefined as void;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    hex.intercept = (request, response) => {
      if (request.url !== "/tarballs/beta-2.1.0.tar") return false;
      void held.then(() => response.end(beta.bytes));
      return true;
    };
    const watching = await startServer(["--no-tls", ...flags, "--watch", "my_app"], {
      cwd,
      env: { ...env, MIRROR_OFFLINE: "false", MIRROR_PULL: "false" },
    });
    const { page, complaints } = await openPage(browser);
    await page.goto(`${watching.url}/ui/live`);
    await expect.poll(async () => page.textContent("[data-live]"), eventually).toBe("As it happens.");
    await expect.poll(async () => page.locator("[data-works] progress").count(), eventually).toBe(1);
    expect(await page.textContent("[data-works]")).toMatch(/sync of my_app\s*running/);
    await fetch(`${watching.url}/tarballs/nothing-1.0.0.tar`);
    await expect.poll(async () => page.textContent("#requests"), eventually).toContain("/tarballs/nothing-1.0.0.tar");
    expect(await page.textContent("#requests")).toContain("not found");
    letGo();
    await expect.poll(async () => page.textContent("[data-works]"), eventually).toMatch(/sync of my_app\s*done/);
    expect(complaints).toEqual([]);
    // A page that is open holds up no end.
    const began = Date.now();
    expect(await watching.stop()).toBe(0);
    expect(Date.now() - began).toBeLessThan(5000);
  }, 90_000);

  test("needs no script, and fits 360 pixels", async () => {
    const server = await start();
    const viewport = { width: 360, height: 740 };
    const { page } = await openPage(browser, { javaScriptEnabled: false, viewport });
    for (const room of [...rooms, "/ui/packages/hexpm/alpha", "/ui/git/github.com/owner/repo"]) {
      expect((await page.goto(server.url + room))?.status()).toBe(200);
      const heading = page.getByRole("heading", { level: 1 });
      expect(await heading.isVisible()).toBe(true);
      for (const button of await page.getByRole("button", { name: /^Copy/ }).all())
        expect(await button.isVisible()).toBe(false);
    }
    const narrow = await openPage(browser, { viewport });
    for (const room of [...rooms, "/ui/packages/hexpm/alpha"]) {
      await narrow.page.goto(server.url + room);
      const width = await narrow.page.evaluate(() => document.documentElement.scrollWidth);
      expect([room, width]).toEqual([room, 360]);
      expect([room, await violations(narrow.page)]).toEqual([room, []]);
    }
  });

  test("can be used by the keyboard alone", async () => {
    const server = await start();
    const { page } = await openPage(browser);
    await page.goto(server.url);
    const focused = async () => page.evaluate(() => document.activeElement?.textContent?.trim());
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("To the content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await page.goto(server.url);
    for (let tabs = 0; tabs < 4; tabs++) await page.keyboard.press("Tab");
    expect(await focused()).toBe("Packages");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui/packages");
    while ((await page.evaluate(() => document.activeElement?.tagName)) !== "INPUT") await page.keyboard.press("Tab");
    await page.keyboard.type("alph");
    expect(await page.locator("#packages tbody tr:visible").count()).toBe(1);
    while ((await focused()) !== "alpha") await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui/packages/hexpm/alpha");
    const outline = await page.evaluate(() => {
      document.querySelector<HTMLElement>("summary")?.focus();
      return getComputedStyle(document.querySelector("summary") ?? document.body).outlineStyle;
    });
    expect(outline).not.toBe("none");
  });

  test("shows documentation in a box from which it reaches nothing", async () => {
    const script = "document.title = 'drawn'; try { parent.localStorage } catch { document.title += ', boxed' }";
    const files = [
      { name: "index.html", data: `<!doctype html><title>x</title><h1>Docs</h1><script src="app.js"></script>` },
      {
        name: "app.js",
        data: `${script}; fetch('/api/mirror').then(() => document.title += ', read', () => document.title += ', kept out');`,
      },
    ];
    await mkdir(join(cwd, ".mirror/hex/docs"), { recursive: true });
    const tar = Buffer.concat([createTar(files), Buffer.alloc(1024)]);
    await writeFile(join(cwd, ".mirror/hex/docs/alpha-1.0.0.tar.gz"), gzipSync(tar));
    const server = await start();
    const { page } = await openPage(browser);
    await page.goto(`${server.url}/ui/packages/hexpm/alpha`);
    await page.getByRole("link", { name: "read it here" }).click();
    expect(new URL(page.url()).pathname).toBe("/docs/alpha/1.0.0/");
    await expect.poll(async () => page.title(), eventually).toBe("drawn, boxed, kept out");
    expect(await page.evaluate(() => globalThis.origin)).toBe("null");
  });

  test("asks for a token where one guards the mirror, and keeps a session instead of it", async () => {
    await writeFile(join(cwd, "tokens"), "letmein\n");
    const server = await start("--require-token", "tokens");
    const { page, complaints } = await openPage(browser);
    const answer = await page.goto(`${server.url}/ui/packages`);
    expect(answer?.status()).toBe(401);
    expect(await page.textContent("main")).not.toContain("alpha");
    expect(await violations(page)).toEqual([]);
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    expect(await page.getByRole("alert").textContent()).toContain("does not know that token");
    await page.getByLabel("Token").fill("letmein");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL("**/ui/packages");
    expect(await page.textContent("main")).toContain("alpha");
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
    expect(cookie?.value).toMatch(/^[0-9a-f]{64}$/);
    await page.goto(`${server.url}/ui/live`);
    await expect.poll(async () => page.textContent("[data-live]"), eventually).toBe("As it happens.");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL("**/login");
    expect((await page.goto(server.url))?.status()).toBe(401);
    expect(complaints.filter((text) => !/status of 401/.test(text))).toEqual([]);
  });
});
