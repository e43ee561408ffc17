/**
 * node scripts/screenshots.js URL        pictures of the page for README, in docs/images
 *
 * Of a server that holds something worth looking at; by Debian's Chromium. Look at them before they are committed.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [url] = process.argv.slice(2);
if (url === undefined) throw new Error("give the URL of a server");
const folder = fileURLToPath(new URL("../docs/images", import.meta.url));
const pictures = [
  { name: "status", path: "/", colorScheme: "light", width: 1100, height: 640 },
  { name: "packages", path: "/ui/packages", colorScheme: "dark", width: 1100, height: 640 },
  { name: "package", path: "/ui/packages/hexpm/jason", colorScheme: "light", width: 390, height: 780 },
];

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const { name, path, colorScheme, width, height } of pictures) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, locale: "en-GB" });
  await page.goto(url + path);
  await page.waitForLoadState("load");
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.close();
}
await browser.close();
