/** Metrics, as a real Prometheus scrapes them, with the rules and the dashboard of docs/monitoring. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cp } from "node:fs/promises";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { startServer, type RunningServer } from "../support/cli.ts";
import { isInstalled } from "../support/clients.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { freePort } from "../support/free-port.ts";

const docs = new URL("../../docs/monitoring/", import.meta.url).pathname;
const hasPrometheus = isInstalled("prometheus", "--version") && isInstalled("promtool", "--version");
const eventually = { timeout: 30_000, interval: 200 };

let cwd: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(cwd, ".mirror/hex"), { recursive: true });
});

const metricsOf = async (url: string, authorization?: string) =>
  fetch(`${url}/metrics`, { headers: authorization === undefined ? {} : { authorization } });
const valueOf = (text: string, series: string) =>
  Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.split(" ")
      .at(-1),
  );

test("count what was asked and how it was answered, whichever process did, and tell of the mirror", async () => {
  const server = await startServer(["--no-tls", "--workers", "2"], { cwd });
  for (let round = 0; round < 20; round++) await (await fetch(`${server.url}/tarballs/elm-0.0.1.tar`)).arrayBuffer();
  await fetch(`${server.url}/packages/nothing`);
  await fetch(`${server.url}/packages/alder`, { method: "DELETE" });
  await expect
    .poll(async () => {
      const text = await (await metricsOf(server.url)).text();
      return valueOf(text, 'mirror_requests_total{kind="tarball",outcome="hit"}');
    }, eventually)
    .toBe(20);
  const text = await (await metricsOf(server.url)).text();
  expect(valueOf(text, 'mirror_requests_total{kind="record",outcome="not_found"}')).toBe(1);
  expect(valueOf(text, 'mirror_requests_total{kind="record",outcome="refused"}')).toBe(1);
  expect(valueOf(text, 'mirror_request_duration_seconds_count{kind="tarball"}')).toBe(20);
  expect(valueOf(text, 'mirror_request_duration_seconds_bucket{kind="tarball",le="+Inf"}')).toBe(20);
  const buckets = text
    .split("\n")
    .filter((line) => line.startsWith('mirror_request_duration_seconds_bucket{kind="tarball"'));
  const counts = buckets.map((line) => Number(line.split(" ").at(-1)));
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(counts.at(-2)).toBe(20);
  expect(valueOf(text, 'mirror_response_bytes_total{kind="tarball"}')).toBeGreaterThanOrEqual(20 * 5120);
  expect(valueOf(text, 'mirror_held{what="packages"}')).toBe(5);
  expect(valueOf(text, 'mirror_health{status="ok"}')).toBe(1);
  expect(valueOf(text, 'mirror_cache_file_requests_total{result="hit"}')).toBeGreaterThan(0);
  expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
});

test("are guarded by the tokens that guard the rest, or by one of their own, or lie on a port of their own", async () => {
  await writeFile(join(cwd, "tokens"), "letmein\n");
  await writeFile(join(cwd, "watchers"), "onlywatch\n");
  const status = async (url: string, authorization?: string) => (await metricsOf(url, authorization)).status;
  const guarded = await startServer(["--no-tls", "--require-token", "tokens", "--metrics-token", "watchers"], { cwd });
  expect(await status(guarded.url)).toBe(401);
  expect(await status(guarded.url, "Bearer wrong")).toBe(401);
  expect(await status(guarded.url, "Bearer onlywatch")).toBe(200);
  expect(await status(guarded.url, "Bearer letmein")).toBe(200);
  // It opens nothing else.
  const api = await fetch(`${guarded.url}/api/mirror`, { headers: { authorization: "Bearer onlywatch" } });
  expect(api.status).toBe(401);
  const open = await startServer(["--no-tls", "--metrics-token", "watchers"], { cwd });
  expect([await status(open.url), await status(open.url, "Bearer onlywatch")]).toEqual([401, 200]);
  expect((await fetch(`${open.url}/api/mirror`)).status).toBe(200);

  const port = await freePort();
  const apart = await startServer(["--no-tls", "--metrics-port", String(port)], { cwd });
  expect(await status(apart.url)).toBe(404);
  const own = `http://127.0.0.1:${port}`;
  expect([await status(own), (await fetch(`${own}/names`)).status]).toEqual([200, 404]);
  expect(await apart.stop()).toBe(0);
  const both = ["--metrics-port", String(port), "--require-token", "tokens", "--metrics-token", "watchers"];
  const guardedApart = await startServer(["--no-tls", ...both], { cwd });
  const answers = [await status(own), await status(own, "Bearer letmein"), await status(own, "Bearer onlywatch")];
  expect(answers).toEqual([401, 200, 200]);
  expect(await guardedApart.stop()).toBe(0);
});

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

describe.skipIf(!hasPrometheus)("a real Prometheus", () => {
  let server: RunningServer;
  let prometheus: string;

  beforeEach(async () => {
    server = await startServer(["--no-tls"], { cwd });
    const port = await freePort();
    prometheus = `http://127.0.0.1:${port}`;
    const settings = parse(await readFile(join(docs, "prometheus.yml"), "utf8")) as {
      global: { scrape_interval: string; evaluation_interval?: string };
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    settings.global = { scrape_interval: "1s", evaluation_interval: "1s" };
    const [scrape] = settings.scrape_configs;
    if (scrape !== undefined) scrape.static_configs = [{ targets: [`127.0.0.1:${server.port}`] }];
    // JSON is YAML.
    await writeFile(join(cwd, "prometheus.yml"), JSON.stringify(settings));
    await cp(join(docs, "alerts.yml"), join(cwd, "alerts.yml"));
    const args = [
      "--config.file=prometheus.yml",
      `--storage.tsdb.path=${join(cwd, "tsdb")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ];
    const child = spawn("prometheus", args, { cwd, stdio: "ignore" });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await once(child, "close");
    });
  });

  const query = async (expression: string) => {
    const answer = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(expression)}`).catch(
      () => undefined,
    );
    return (await answer?.json()) as
      { status: string; error?: string; data?: { result: { value: [number, string] }[] } } | undefined;
  };
  const valueNow = async (expression: string) => (await query(expression))?.data?.result[0]?.value[1];

  test("scrapes it, takes its rules, and knows all that the dashboard asks for", async () => {
    await expect.poll(async () => valueNow('up{job="mirror-server"}'), eventually).toBe("1");
    expect(await valueNow("mirror_held{what='releases'}")).toBe("10");
    // A mirror that is well, and shows no certificate, alarms nobody: not even soon.
    await expect.poll(async () => valueNow("mirror_health{status='ok'}"), eventually).toBe("1");
    expect((await query("ALERTS"))?.data?.result).toEqual([]);
    expect(await valueNow("mirror_certificate_seconds_left")).toBeUndefined();
    const rules = (await (await fetch(`${prometheus}/api/v1/rules`)).json()) as {
      data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
    };
    const all = rules.data.groups.flatMap(({ rules: each }) => each);
    expect(all.length).toBeGreaterThan(5);
    await expect
      .poll(async () => {
        const now = (await (await fetch(`${prometheus}/api/v1/rules`)).json()) as typeof rules;
        return new Set(now.data.groups.flatMap((group) => group.rules.map(({ health }) => health)));
      }, eventually)
      .toEqual(new Set(["ok"]));
    const dashboard = JSON.parse(await readFile(join(docs, "grafana-dashboard.json"), "utf8")) as Dashboard;
    const metrics = await (await metricsOf(server.url)).text();
    const rulesText = await readFile(join(docs, "alerts.yml"), "utf8");
    for (const { title, targets } of dashboard.panels) {
      for (const { expr } of targets) {
        const plain = expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*");
        expect([title, (await query(plain))?.error]).toEqual([title, undefined]);
      }
    }
    // No name in either that metrics do not have.
    const named = `${rulesText} ${dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(" ")}`;
    for (const name of new Set(named.match(/\b(?:mirror|process|nodejs)_[a-z_0-9]+\b/g))) {
      expect(metrics).toContain(`# TYPE ${name.replace(/_bucket$/, "")} `);
    }
  }, 90_000);

  test("alerts when what is held cannot be served", async () => {
    await expect.poll(async () => valueNow("mirror_health{status='ok'}"), eventually).toBe("1");
    await writeFile(join(cwd, ".mirror/hex/names"), "no list");
    await expect.poll(async () => valueNow("mirror_health{status='unhealthy'}"), eventually).toBe("1");
    await expect.poll(async () => valueNow("ALERTS{alertname='MirrorUnhealthy'}"), eventually).toBe("1");
  }, 90_000);

  test("its own tool finds nothing wrong with them", async () => {
    const metrics = await (await metricsOf(server.url)).text();
    // What Node's own are called is not ours to say.
    const ours = metrics.replace(/^(?:# (?:HELP|TYPE) )?nodejs_.*\n/gm, "");
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: ours, encoding: "utf8" });
    expect([status, stdout + stderr]).toEqual([0, ""]);
  });
});
